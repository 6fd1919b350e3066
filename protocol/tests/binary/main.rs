//! Tests of the binary dialect through its public interface.

#[cfg(test)]
mod limits;
#[cfg(test)]
mod random;
#[cfg(test)]
mod replies;
#[cfg(test)]
mod round_trip;
#[cfg(test)]
mod split;
#[cfg(test)]
mod vectors;
#[cfg(test)]
mod wire;
