//! What fuzz targets of streams of requests share.

use std::fmt::Debug;

use lcnode_protocol::Limits;

/// Bytes of a stream up to which each is fed on its own too; with more it would take too long.
const SHORT: usize = 256;

/// Holds that a stream comes to the same however it is cut, under wide limits and tight ones. `feed` is given the stream,
/// up to where it is there at a time, limits, and whether to wait for as many bytes as the decoder asks for. Gives the stream,
/// none without input.
pub fn however_cut<T: Debug + PartialEq>(
    input: &[u8],
    feed: impl Fn(&[u8], &[usize], Limits, bool) -> T,
) -> Option<&[u8]> {
    let (stream, cuts) = cut(input)?;
    let tight = Limits { max_key: 16, max_value: 64 };
    for limits in [Limits::default(), tight] {
        let whole = feed(stream, &[stream.len()], limits, false);
        for patient in [false, true] {
            assert_eq!(whole, feed(stream, &cuts, limits, patient));
        }
        if stream.len() <= SHORT {
            let every: Vec<usize> = (0..=stream.len()).collect();
            assert_eq!(whole, feed(stream, &every, limits, false));
        }
    }
    Some(stream)
}

/// A stream, and where it is cut: the first byte of the input says how many cuts there are, the next bytes how many bytes
/// each is behind the one before, and the rest is the stream, whose end is the last cut. None without input.
fn cut(input: &[u8]) -> Option<(&[u8], Vec<usize>)> {
    let (&count, rest) = input.split_first()?;
    let count = usize::from(count % 16).min(rest.len());
    let (places, stream) = rest.split_at(count);
    let mut cuts = Vec::with_capacity(count + 1);
    let mut at = 0;
    for &place in places {
        at = stream.len().min(at + usize::from(place));
        cuts.push(at);
    }
    cuts.push(stream.len());
    Some((stream, cuts))
}
