//! Tests that run on SQLite only. The first lines of each file say why; `.config/nextest.toml` leaves this module out
//! of the profile `postgres`.

mod backup;
mod companions;
mod damage;
mod database;
mod failing_disk;
mod full_disk;
mod lineage;
mod migrations;
mod nodes;
mod settings;
mod signing;
mod syncs;
mod transfer;
