//! Whether an ELF file needs a dynamic loader: an image without a C library can start only those
//! that do not.

use anyhow::{Context, Result, ensure};

/// The program header that names a dynamic loader.
const PT_INTERP: u32 = 3;

/// Whether a 64-bit little-endian ELF file is linked statically.
///
/// ```text
/// header   0 magic · 4 class · 5 data · 32 e_phoff u64 · 54 e_phentsize u16 · 56 e_phnum u16
/// segment  0 p_type u32
/// ```
///
/// # Errors
/// The file is no such ELF file.
pub fn is_static(file: &[u8]) -> Result<bool> {
    ensure!(file.starts_with(b"\x7fELF\x02\x01"), "no 64-bit little-endian ELF file");
    let start = u64::from_le_bytes(bytes(file, 32)?);
    let size = u16::from_le_bytes(bytes(file, 54)?);
    let count = u16::from_le_bytes(bytes(file, 56)?);
    for number in 0..u64::from(count) {
        let at = usize::try_from(start + number * u64::from(size))?;
        if u32::from_le_bytes(bytes(file, at)?) == PT_INTERP {
            return Ok(false);
        }
    }
    Ok(true)
}

fn bytes<const N: usize>(file: &[u8], at: usize) -> Result<[u8; N]> {
    let found = file.get(at..).and_then(|rest| rest.first_chunk());
    found.copied().with_context(|| format!("ELF file ends before byte {}", at.saturating_add(N)))
}

#[cfg(test)]
mod tests {
    use super::is_static;

    #[test]
    fn a_program_with_a_loader_is_not_static() {
        // This test is linked as any program here is.
        let own = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        assert!(!is_static(&own).unwrap());
        // Without the segment that names the loader it is.
        let mut changed = own.clone();
        let start = usize::from(u16::from_le_bytes(own[32..34].try_into().unwrap()));
        for segment in changed[start..].chunks_mut(56).take(usize::from(own[56])) {
            if segment[0] == 3 {
                segment[0] = 0;
            }
        }
        assert!(is_static(&changed).unwrap());
        for wrong in [&own[..20], &own[..100], b"#!/bin/sh\n".as_slice()] {
            assert!(is_static(wrong).is_err());
        }
    }
}
