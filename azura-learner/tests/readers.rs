//! Whatever bytes a reader gets: data, or an error that says something; no panic, and no memory for what is only claimed.

#![allow(clippy::unwrap_used, reason = "a test that fails here has failed")]

use azura_learner::data::{Audio, CsvImages, DataError, Images, Table};
use proptest::{collection::vec, prelude::*, sample::Index};
use std::fs;

/// A way to read bytes, and files that it reads whole.
struct Reader {
    name: &'static str,
    read: fn(&[u8]) -> Result<(), DataError>,
    corpus: Vec<Vec<u8>>,
}

fn readers() -> Vec<Reader> {
    let csv = b"\"date\",x,\"y \"\"z\"\"\"\n2020-01-01,1.5,a\n2020-01-02,,\"b,c\"\n".to_vec();
    let pixels = b"0,16,3,8,7\n1,2,3,4,9\n16,0,0,16,7\n".to_vec();
    let named = b"label,p1,p2,p3,p4\ncat,0,255,0,255\ndog,1,2,3,4\n".to_vec();
    let sound = Audio::melody(8000, 0.01).to_wav();
    let mut listed = sound[..36].to_vec();
    listed.extend(b"LIST\x05\0\0\0hello\0");
    listed.extend(&sound[36..]);
    let readers = vec![
        Reader { name: "table", read: |bytes| Table::parse(bytes).map(drop), corpus: vec![csv] },
        Reader {
            name: "CSV of pictures",
            read: |bytes| Images::from_csv(bytes, &CsvImages::default()).map(drop),
            corpus: vec![pixels, named],
        },
        Reader { name: "WAV", read: |bytes| Audio::from_wav(bytes).map(drop), corpus: vec![sound, listed] },
    ];
    readers.into_iter().chain(with_decoders()).collect()
}

#[cfg(not(feature = "image"))]
fn with_decoders() -> [Reader; 0] {
    []
}

#[cfg(feature = "image")]
fn with_decoders() -> [Reader; 2] {
    use image::{ImageFormat, RgbImage};
    let picture = RgbImage::from_fn(9, 7, |x, y| image::Rgb([x as u8 * 20, y as u8 * 30, 90]));
    let encoded = |format| {
        let mut bytes = std::io::Cursor::new(Vec::new());
        picture.write_to(&mut bytes, format).unwrap();
        bytes.into_inner()
    };
    [
        Reader {
            name: "zip",
            read: |bytes| Images::from_zip(bytes, None).map(drop),
            corpus: vec![include_bytes!("pictures.zip").to_vec()],
        },
        Reader {
            name: "picture",
            read: in_folder,
            corpus: vec![encoded(ImageFormat::Png), encoded(ImageFormat::Jpeg)],
        },
    ]
}

/// The bytes as the only picture of a class folder.
#[cfg(feature = "image")]
fn in_folder(bytes: &[u8]) -> Result<(), DataError> {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("class")).unwrap();
    fs::write(folder.path().join("class/a.png"), bytes).unwrap();
    Images::from_folder(folder.path(), Some([4, 4])).map(drop)
}

/// An error, if it is one, names a line, a byte, a file or a limit.
fn told(reader: &Reader, bytes: &[u8]) -> Result<(), TestCaseError> {
    let Err(error) = (reader.read)(bytes) else { return Ok(()) };
    let text = error.to_string();
    let says = [
        "line ",
        "byte ",
        ".png",
        ".PNG",
        "the zip: ",
        "the CSV text: ",
        "too large",
        "the table is empty",
        "columns are named",
    ];
    prop_assert!(says.iter().any(|what| text.contains(what)), "{}: {text}", reader.name);
    Ok(())
}

#[test]
fn whole_files_are_read_and_every_beginning_of_them_is_data_or_an_error() {
    for reader in readers() {
        for whole in &reader.corpus {
            (reader.read)(whole).unwrap();
            // Every place of a small file, some of a large one.
            let step = whole.len().div_ceil(400);
            for end in (0..whole.len()).step_by(step) {
                told(&reader, &whole[..end]).unwrap();
            }
        }
    }
}

#[test]
fn the_file_of_another_reader_and_what_is_no_text() {
    let all = readers();
    let strange =
        [b"".to_vec(), b"\0".repeat(100), vec![0xff; 100], b"\xef\xbb\xbf".to_vec(), "é,ü\n1,2".into()];
    for reader in &all {
        for other in all.iter().flat_map(|other| &other.corpus).chain(&strange) {
            told(reader, other).unwrap();
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn files_with_some_bytes_changed(
        flips in vec((any::<Index>(), any::<u8>()), 1..8),
        cut in any::<Index>(),
        whole in any::<bool>(),
    ) {
        for reader in readers() {
            for file in &reader.corpus {
                let mut bytes = file.clone();
                for (place, byte) in &flips {
                    *place.get_mut(&mut bytes) = *byte;
                }
                if !whole {
                    bytes.truncate(cut.index(bytes.len()));
                }
                told(&reader, &bytes)?;
            }
        }
    }

    /// Headers are at the beginning and, of a zip, at the end: four bytes there that claim the most.
    #[test]
    fn headers_that_claim_the_most(place in 0..64_usize, byte in prop::sample::select(vec![0x7f_u8, 0xff])) {
        for reader in readers() {
            for file in &reader.corpus {
                for start in [place, file.len().saturating_sub(place + 4)] {
                    let mut bytes = file.clone();
                    let end = (start + 4).min(bytes.len());
                    bytes[start.min(end)..end].fill(byte);
                    told(&reader, &bytes)?;
                }
            }
        }
        prop_assert!(peak_mebibytes() < 1500, "{} MiB were asked for", peak_mebibytes());
    }

    #[test]
    fn any_bytes(bytes in vec(any::<u8>(), 0..300)) {
        for reader in readers() {
            told(&reader, &bytes)?;
            for magic in ["PK\x03\x04", "PK\x05\x06", "\u{89}PNG\r\n\x1a\n", "RIFF\0\0\0\0WAVEfmt "] {
                let begun: Vec<u8> = magic.chars().map(|c| c as u8).chain(bytes.iter().copied()).collect();
                told(&reader, &begun)?;
            }
        }
    }
}

/// The most address space that this process had, where the system tells: 0 elsewhere.
fn peak_mebibytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:"));
    line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok()).unwrap_or(0) / 1024
}
