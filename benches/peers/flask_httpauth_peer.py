"""The usual Flask way to check an API key: Flask-HTTPAuth's token scheme, the digest looked up with SQLAlchemy."""

import hashlib
import os
import secrets
from datetime import datetime, timezone

from flask import Flask
from flask_httpauth import HTTPTokenAuth
from sqlalchemy import create_engine, event, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

KEYS = 1000
DATABASE = "flask-peer.db"


class Base(DeclarativeBase):
    pass


class ApiKey(Base):
    __tablename__ = "api_keys"
    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(unique=True)
    owner: Mapped[str]
    enabled: Mapped[bool]
    expires_at: Mapped[datetime | None]


def digest_of(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


if os.path.exists(DATABASE):
    os.remove(DATABASE)
engine = create_engine(f"sqlite:///{DATABASE}", connect_args={"check_same_thread": False})


@event.listens_for(engine, "connect")
def _pragmas(connection, _record):
    connection.execute("PRAGMA journal_mode = WAL")


Base.metadata.create_all(engine)
tokens = [secrets.token_urlsafe(32) for _ in range(KEYS)]
with Session(engine) as session:
    session.add_all(ApiKey(digest=digest_of(token), owner="bench@example.test", enabled=True) for token in tokens)
    session.commit()
with open(os.environ["CREDENTIALS"], "w", encoding="ascii") as credentials:
    credentials.write("\n".join(tokens) + "\n")

app = Flask(__name__)
auth = HTTPTokenAuth(scheme="Bearer")


@auth.verify_token
def verify_token(token: str):
    with Session(engine) as session:
        key = session.scalar(select(ApiKey).where(ApiKey.digest == digest_of(token)))
        if key is None or not key.enabled:
            return None
        if key.expires_at is not None and key.expires_at <= datetime.now(timezone.utc):
            return None
        return key.owner


@app.get("/auth")
@auth.login_required
def check():
    return "", 200
