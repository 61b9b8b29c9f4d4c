//! Compression, taken off layer by layer, as a stream.

use std::io::{self, Cursor, Read};

use flate2::read::MultiGzDecoder;
use liblzma::{
    read::XzDecoder,
    stream::{CONCATENATED, Stream},
};

use super::ContainerError;

/// Memory that an xz stream may ask for: its dictionary. `xz -9` takes 65 MiB.
const XZ_MEMORY_BYTES: u64 = 512 << 20;
/// Bytes that tell a format: the tar mark stands at 257, and the first packet of a capture ends within this.
const HEAD: usize = 4_096;
/// Layers of compression that are taken off.
const MAX_LAYERS: usize = 2;

/// Bytes from somewhere.
pub type Source = Box<dyn Read + Send>;

/// Takes off the layers of compression (gzip, xz, zstd), and gives the first bytes of what is inside beside the whole.
///
/// # Errors
///
/// [`ContainerError`] where a layer is damaged in its first bytes, or there are more than two. Damage further in comes as an error of reading.
pub fn unwrapped(mut source: Source) -> Result<(Vec<u8>, Source), ContainerError> {
    for _ in 0..=MAX_LAYERS {
        let mut head = Vec::with_capacity(HEAD);
        let read = source.by_ref().take(HEAD as u64).read_to_end(&mut head);
        read.map_err(|error| ContainerError::new("compressed file", error))?;
        let whole: Source = Box::new(Cursor::new(head.clone()).chain(source));
        let Some(layer) = Layer::of(&head) else { return Ok((head, whole)) };
        source = layer.taken_off(whole).map_err(|error| ContainerError::new(layer.name(), error))?;
    }
    Err(ContainerError::new("compressed file", format!("more than {MAX_LAYERS} layers of compression")))
}

/// Whether these first bytes are of a compressed file.
pub(crate) fn is_compressed(head: &[u8]) -> bool {
    Layer::of(head).is_some()
}

/// Whether these first bytes are of a tar.
pub(crate) fn is_tar(head: &[u8]) -> bool {
    head.get(257..262) == Some(b"ustar")
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Layer {
    Gzip,
    Xz,
    Zstd,
}

impl Layer {
    fn of(head: &[u8]) -> Option<Self> {
        let marks = [(Self::Gzip, &b"\x1F\x8B"[..]), (Self::Xz, b"\xFD7zXZ\0"), (Self::Zstd, b"\x28\xB5\x2F\xFD")];
        marks.into_iter().find(|(_, mark)| head.starts_with(mark)).map(|(layer, _)| layer)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Xz => "xz",
            Self::Zstd => "zstd",
        }
    }

    fn taken_off(self, whole: Source) -> io::Result<Source> {
        Ok(match self {
            Self::Gzip => Box::new(MultiGzDecoder::new(whole)),
            Self::Xz => {
                Box::new(XzDecoder::new_stream(whole, Stream::new_stream_decoder(XZ_MEMORY_BYTES, CONCATENATED)?))
            }
            Self::Zstd => Box::new(zstd::Decoder::new(whole)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn inside(bytes: Vec<u8>) -> Result<Vec<u8>, String> {
        let (head, mut source) = unwrapped(Box::new(Cursor::new(bytes))).map_err(|error| error.to_string())?;
        let mut all = Vec::new();
        source.read_to_end(&mut all).map_err(|error| error.to_string())?;
        assert!(all.starts_with(&head));
        Ok(all)
    }

    #[test]
    fn layers_are_taken_off_by_what_their_first_bytes_say() {
        let text = b"messages ".repeat(1_000);
        let zstd = zstd::encode_all(&text[..], 1).unwrap();
        assert_eq!(inside(text.clone()).unwrap(), text);
        assert_eq!(inside(gzip(&text)).unwrap(), text);
        assert_eq!(inside(zstd.clone()).unwrap(), text);
        assert_eq!(inside(gzip(&zstd)).unwrap(), text);
        assert_eq!(inside(Vec::new()).unwrap(), b"");
        // Two members of gzip one after the other are one file.
        assert_eq!(inside([gzip(b"one "), gzip(b"two")].concat()).unwrap(), b"one two");
    }

    #[test]
    fn a_third_layer_and_a_cut_are_refused_in_words() {
        let deep = gzip(&gzip(&gzip(b"x")));
        assert!(inside(deep).unwrap_err().contains("more than 2 layers"));
        let noise: Vec<u8> = (0..20_000_u32).flat_map(|i| (i.wrapping_mul(2_654_435_761) >> 7).to_le_bytes()).collect();
        let mut cut = gzip(&noise);
        cut.truncate(cut.len() / 2);
        assert!(inside(cut).is_err());
    }
}
