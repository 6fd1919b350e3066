//! The commands of tcrmgr, by a link of that name and as lcmgr's own.

mod bulk;
mod script;
mod wrong;
