//! `lcnode`: a storage node that speaks the Tokyo Tyrant protocol.

fn main() {}
