//! The binary file of checkpoints and networks: a header in JSON, vectors of f32, a checksum; written whole or not at all.
//!
//! Layout  `ZOMMALRN`, then little-endian: format version u32; header's length u64, header (UTF-8 JSON); number of vectors u64; each
//!         vector's length u64 and its numbers; FNV-1a of all bytes before, u64

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
};

use serde::{Serialize, de::DeserializeOwned};

use crate::LearnError;

/// What a file begins with.
const MAGIC: &[u8; 8] = b"ZOMMALRN";
/// The version of the layout and of the headers.
pub const VERSION: u32 = 1;

/// FNV-1a, 64 bits.
pub(crate) fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

/// Writes a header and vectors to `path`: beside it first, to the disk, then renamed, so that what was there before stays until the new is
/// there whole.
pub(crate) fn write(path: &Path, header: &impl Serialize, vectors: &[&[f32]]) -> Result<(), LearnError> {
    let bytes = encode(header, vectors).map_err(|error| LearnError::file(path, error))?;
    write_whole(path, &bytes)
}

/// A header and vectors as the file's bytes.
pub(super) fn encode(header: &impl Serialize, vectors: &[&[f32]]) -> Result<Vec<u8>, serde_json::Error> {
    let header = serde_json::to_vec(header)?;
    let numbers: usize = vectors.iter().map(|vector| 8 + 4 * vector.len()).sum();
    let mut bytes = Vec::with_capacity(64 + header.len() + numbers);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_le_bytes());
    bytes.extend_from_slice(&(header.len() as u64).to_le_bytes());
    bytes.extend_from_slice(&header);
    bytes.extend_from_slice(&(vectors.len() as u64).to_le_bytes());
    for vector in vectors {
        bytes.extend_from_slice(&(vector.len() as u64).to_le_bytes());
        vector.iter().for_each(|x| bytes.extend_from_slice(&x.to_le_bytes()));
    }
    let sum = fnv(&bytes);
    bytes.extend_from_slice(&sum.to_le_bytes());
    Ok(bytes)
}

/// Writes bytes to `path`, whole or not at all.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), LearnError> {
    let mut name = path.file_name().unwrap_or_default().to_os_string();
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    let renamed = written.and_then(|()| fs::rename(&temporary, path));
    if let Err(error) = renamed {
        // The rest of a file that did not fit; its name says what it is where even this fails.
        let _ = fs::remove_file(&temporary);
        return Err(LearnError::file(path, format!("cannot be written: {error}")));
    }
    // The new name is on the disk when the folder is. Not every file system lets a folder be synced.
    if let Some(folder) = path.parent().and_then(|folder| File::open(folder).ok()) {
        let _ = folder.sync_all();
    }
    Ok(())
}

/// Reads what [`write`] wrote.
///
/// Errors: a file that cannot be read, is not ours, of another version, cut off, or whose checksum does not fit.
pub(crate) fn read<H: DeserializeOwned>(path: &Path) -> Result<(H, Vec<Vec<f32>>), LearnError> {
    let bytes = fs::read(path).map_err(|error| LearnError::file(path, format!("cannot be read: {error}")))?;
    decode(&bytes).map_err(|reason| LearnError::file(path, reason))
}

/// Reads what [`encode`] made; or says what is wrong with it.
pub(super) fn decode<H: DeserializeOwned>(bytes: &[u8]) -> Result<(H, Vec<Vec<f32>>), String> {
    const CUT: &str = "is cut off or damaged";
    if !bytes.starts_with(MAGIC) {
        return Err("is not a checkpoint or network of zomma".into());
    }
    let mut rest = &bytes[MAGIC.len()..];
    let mut take = |count: u64| {
        let count = usize::try_from(count).ok().filter(|count| *count <= rest.len()).ok_or(CUT)?;
        let (taken, after) = rest.split_at(count);
        rest = after;
        Ok::<&[u8], String>(taken)
    };
    let u64_of = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().unwrap_or_default());
    let version = take(4)?;
    if version != VERSION.to_le_bytes() {
        let found = u32::from_le_bytes(version.try_into().unwrap_or_default());
        return Err(format!("is of version {found}: this program reads version {VERSION}"));
    }
    let (body, sum) = bytes.split_at(bytes.len() - 8);
    if fnv(body) != u64_of(sum) {
        return Err(format!("{CUT}: its checksum does not fit"));
    }
    let length = u64_of(take(8)?);
    let header = take(length)?;
    let header = serde_json::from_slice(header).map_err(|error| format!("{}: {error}", of_another_kind(header)))?;
    let count = u64_of(take(8)?);
    let mut vectors = Vec::new();
    for _ in 0..count {
        let length = u64_of(take(8)?);
        let numbers = take(length.checked_mul(4).ok_or(CUT)?)?;
        vectors.push(numbers.chunks_exact(4).map(|x| f32::from_le_bytes([x[0], x[1], x[2], x[3]])).collect());
    }
    Ok((header, vectors))
}

/// What a header is that is not the one that was looked for.
fn of_another_kind(header: &[u8]) -> &'static str {
    let header: serde_json::Value = serde_json::from_slice(header).unwrap_or_default();
    let has =
        |key: &str| header.get(key).is_some() || header.get("config").is_some_and(|config| config.get(key).is_some());
    if has("problem") {
        "is of zomma train pinn, whose networks this does not take"
    } else if has("standing") {
        "is a checkpoint, no network"
    } else if has("architecture") && has("step") {
        "is a network, no checkpoint"
    } else {
        "has a header that cannot be read"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_every_damage_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.bin");
        let vectors: [&[f32]; 3] = [&[1.5, f32::MIN_POSITIVE, -0.0], &[], &[7.0]];
        write(&path, &"header", &vectors).unwrap();
        let (header, found): (String, _) = read(&path).unwrap();
        assert_eq!((header.as_str(), found), ("header", vectors.map(<[f32]>::to_vec).to_vec()));
        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() {
            assert!(decode::<String>(&whole[..length]).is_err(), "{length}");
        }
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x10;
            assert!(decode::<String>(&damaged).is_err(), "{at}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_full_disk_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("checkpoint.bin");
        write(&path, &"old", &[&[1.0]]).unwrap();
        std::os::unix::fs::symlink("/dev/full", folder.path().join("checkpoint.bin.tmp")).unwrap();
        let error = write(&path, &"new", &[&[2.0]]).unwrap_err().to_string();
        assert!(error.contains("checkpoint.bin: cannot be written: No space left"), "{error}");
        assert_eq!(read::<String>(&path).unwrap(), ("old".into(), vec![vec![1.0]]));
    }
}
