//! `_codec`: encodings and compressions of strings, each both ways.

mod escapes;
mod runs;
mod tcbs;

use std::io::Read;

use bzip2::read::{BzDecoder, BzEncoder};
use flate2::GzBuilder;
use flate2::read::{GzDecoder, ZlibDecoder, ZlibEncoder};

use crate::meter::{LimitReached, Meter};

/// Why there is no result, though the data may be good.
#[derive(Debug, thiserror::Error)]
pub enum CodecError {
    /// The result would be longer than allowed.
    #[error("the result would be longer than {0} bytes")]
    TooLong(usize),
    /// It takes too much time.
    #[error(transparent)]
    LimitReached(#[from] LimitReached),
}

/// Encodes `data` by `mode` (in any case), or decodes it where that begins with `~`.
///
/// | mode | what it does |
/// |---|---|
/// | `url` | percent-encoding; `+` is decoded as a space |
/// | `base` | Base64 |
/// | `quote` | Quoted-Printable without line breaks |
/// | `hex` | hexadecimal, in lower case |
/// | `xml` | the entities of `&`, `<`, `>` and `"` |
/// | `pack` | PackBits: runs of equal bytes |
/// | `tcbs` | Tokyo Cabinet's block sorting |
/// | `deflate`, `gzip`, `bzip` | streams of zlib, gzip, bzip2 |
///
/// None for an unknown mode and for data that cannot be decoded. Decoding text (`url` to `xml`) ends at a NUL
/// and takes all that it cannot make sense of the way the original does; of a compressed stream, what follows its
/// end is ignored.
///
/// # Errors
/// [`CodecError::TooLong`] for more than `limit` bytes, and as the meter says.
pub fn codec(
    mode: &[u8],
    data: &[u8],
    limit: usize,
    meter: &dyn Meter,
) -> Result<Option<Vec<u8>>, CodecError> {
    let mode = mode.to_ascii_lowercase();
    // Making text of a byte and back takes a few steps a byte; compressions count more below.
    let per_byte =
        |steps: u64| meter.work(u64::try_from(data.len()).unwrap_or(u64::MAX).saturating_mul(steps));
    per_byte(2)?;
    // The longest that an encoded byte becomes is `&quot;`.
    let bounded = |longest: usize, make: fn(&[u8]) -> Vec<u8>| match data.len().saturating_mul(longest)
        <= limit
    {
        true => Ok(make(data)),
        false => Some(make(data)).filter(|result| result.len() <= limit).ok_or(CodecError::TooLong(limit)),
    };
    Ok(Some(match mode.as_slice() {
        b"url" => bounded(3, escapes::url_encode)?,
        b"~url" => bounded(1, escapes::url_decode)?,
        b"base" => bounded(2, escapes::base_encode)?,
        b"~base" => bounded(1, escapes::base_decode)?,
        b"quote" => bounded(3, escapes::quote_encode)?,
        b"~quote" => bounded(1, escapes::quote_decode)?,
        b"hex" => bounded(2, escapes::hex_encode)?,
        b"~hex" => bounded(1, escapes::hex_decode)?,
        b"xml" => bounded(6, escapes::xml_encode)?,
        b"~xml" => bounded(1, escapes::xml_decode)?,
        b"pack" => bounded(2, runs::encode)?,
        b"~pack" => runs::decode(data, limit).ok_or(CodecError::TooLong(limit))?,
        b"tcbs" => tcbs::encode(data, limit, meter)?,
        b"~tcbs" => return tcbs::decode(data, limit, meter),
        b"deflate" => {
            per_byte(20)?;
            return drain(ZlibEncoder::new(data, flate2::Compression::default()), limit, meter);
        }
        b"gzip" => {
            per_byte(20)?;
            // Unix as the system, as the originals write.
            let encoder = GzBuilder::new().operating_system(3);
            return drain(encoder.read(data, flate2::Compression::default()), limit, meter);
        }
        b"bzip" => {
            per_byte(100)?;
            return drain(BzEncoder::new(data, bzip2::Compression::best()), limit, meter);
        }
        b"~deflate" | b"~gzip" | b"~bzip" if data.is_empty() => return Ok(None),
        b"~deflate" => return drain(ZlibDecoder::new(data), limit, meter),
        b"~gzip" => return drain(GzDecoder::new(data), limit, meter),
        b"~bzip" => return drain(BzDecoder::new(data), limit, meter),
        _ => return Ok(None),
    }))
}

/// All that a stream gives; None where it is broken.
fn drain(mut stream: impl Read, limit: usize, meter: &dyn Meter) -> Result<Option<Vec<u8>>, CodecError> {
    const PIECE: usize = 64 << 10;
    let mut out = Vec::new();
    let mut piece = vec![0; PIECE];
    loop {
        meter.work(10 * PIECE as u64)?;
        match stream.read(&mut piece) {
            Ok(0) => return Ok(Some(out)),
            Ok(read) if read > limit.saturating_sub(out.len()) => return Err(CodecError::TooLong(limit)),
            Ok(read) => out.extend_from_slice(&piece[..read]),
            Err(_) => return Ok(None),
        }
    }
}

#[cfg(test)]
mod tests;
