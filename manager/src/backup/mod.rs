//! Backups of a cluster: making an [`archive`], restoring it, verifying it.

mod archive;
pub mod create;
mod folder;
mod host;
mod manifest;
mod report;
pub mod restore;
mod snapshot;
mod standing;
pub mod verify;
mod work;
