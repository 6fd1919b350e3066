//! Tests of what nodes say to each other through the crate's public interface.

#[cfg(test)]
mod document;
#[cfg(test)]
mod hellos;
#[cfg(test)]
mod peer;
#[cfg(test)]
mod random;
#[cfg(test)]
mod recorded;
#[cfg(test)]
mod update_log;
