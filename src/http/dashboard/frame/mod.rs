//! What every page shares: the frame around it, forms and their protection, cookies and who is signed in.
//! Must not depend on any page or noun.

mod confirm;
mod cookies;
mod csrf;
mod field;
mod filtering;
mod flash;
mod form;
mod key_in_url;
mod login_visitor;
mod nav;
mod page_error;
mod person;
mod respond;
mod shell;
mod signed_in;
mod stale_form;
mod unreadable;
mod when;

pub use confirm::ActToConfirm;
pub use cookies::CookieNames;
pub use field::{Field, FieldError, errors_of};
pub use filtering::{Choice, FilterLink, ListPager, ROWS, SortLink, count_text, query_url, search_text};
pub use flash::{Flash, FlashSecret};
pub use form::{AdminForm, FormFields, LongForm, OpenForm, SignedForm};
pub use login_visitor::LoginVisitor;
pub use nav::Nav;
pub use page_error::PageError;
pub use person::{initials, local_part};
pub use respond::{html, ok, see_other, unprocessable};
pub use shell::Shell;
pub use signed_in::{Admin, SignedIn};
pub use unreadable::unreadable_fields;
pub use when::When;
