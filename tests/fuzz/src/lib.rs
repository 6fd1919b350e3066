//! What fuzz targets of streams share.

/// A stream, and where it is cut: the first byte of the input says how many cuts there are, the next bytes how many bytes
/// each is behind the one before, and the rest is the stream, whose end is the last cut. None without input.
pub fn cut(input: &[u8]) -> Option<(&[u8], Vec<usize>)> {
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
