//! Scripts as a node runs them, over records in a map.

#[cfg(test)]
mod answers;
#[cfg(test)]
mod host;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod limits;
mod utilities;
