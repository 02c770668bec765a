use std::{
    fs,
    io::{Cursor, Write},
    path::Path,
};

use image::{GrayImage, ImageFormat, Luma};
use zip::{ZipWriter, write::SimpleFileOptions};

use super::*;

/// Made by `scripts/pictures.py`.
const ZIP: &[u8] = include_bytes!("../../../tests/pictures.zip");

fn encoded(picture: &GrayImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn zipped(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in files {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn error(bytes: &[u8]) -> String {
    Images::from_bytes(bytes, None).unwrap_err().to_string()
}

#[test]
fn a_zip_of_another_program() {
    let images = Images::from_bytes(ZIP, None).unwrap();
    // In the order of the names: the first is in colour, so all are, and 2 by 2.
    assert_eq!((images.len(), images.shape(), images.range()), (3, [3, 2, 2], (0.0, 255.0)));
    assert_eq!(
        (images.classes(), images.labels()),
        (&["cat".to_owned(), "dog".to_owned()][..], &[0, 1, 1][..])
    );
    assert_eq!(images.image(0), [10.0, 40.0, 70.0, 255.0, 20.0, 50.0, 80.0, 0.0, 30.0, 60.0, 90.0, 128.0]);
    assert_eq!(images.image(1)[..8], [0.0, 50.0, 100.0, 255.0, 0.0, 50.0, 100.0, 255.0]);
    // Columns 0, 0, 100, 100 at half the size: the triangle of a new column's middle, 1 old pixel from its own, is 2 wide to each
    // side, so that it takes 3/8, 3/8, 1/8, which is 1/7 of its weights, from over there.
    let row = &images.image(2)[..2];
    assert!((row[0] - 100.0 / 7.0).abs() <= 1.0 && (row[1] - 600.0 / 7.0).abs() <= 1.0, "{row:?}");
}

#[test]
fn a_folder_with_jpeg_and_a_size_of_ones_own() {
    let folder = tempfile::tempdir().unwrap();
    let put = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    };
    let flat = |grey| encoded(&GrayImage::from_pixel(40, 30, Luma([grey])), ImageFormat::Jpeg);
    put("10/a.jpg", &flat(200));
    put("9/b.JPEG", &flat(40));
    put("9/notes.txt", b"text");
    let images = Images::open(folder.path(), Some([3, 4])).unwrap();
    assert_eq!(
        (images.shape(), images.classes(), images.labels()),
        ([1, 3, 4], &["9".to_owned(), "10".to_owned()][..], &[1, 0][..])
    );
    // A flat picture loses next to nothing.
    for (i, grey) in [(0, 200.0), (1, 40.0)] {
        assert!(images.image(i).iter().all(|x: &f32| (x - grey).abs() <= 2.0), "{:?}", images.image(i));
    }

    put("10/c.png", b"neither");
    let error = Images::open(folder.path(), None).unwrap_err().to_string();
    assert_eq!(error, "10/c.png: is neither a PNG nor a JPEG picture");
    fs::remove_file(folder.path().join("10/c.png")).unwrap();
    put("top.png", b"");
    let error = Images::open(folder.path(), None).unwrap_err().to_string();
    assert_eq!(
        error,
        "top.png: lies in no folder; a picture's class is the name of the folder that it lies in"
    );
    assert!(
        Images::open(Path::new("/no/such"), None)
            .unwrap_err()
            .to_string()
            .starts_with("cannot read /no/such")
    );
}

#[test]
fn what_is_wrong_with_a_zip() {
    let png = encoded(&GrayImage::new(2, 2), ImageFormat::Png);
    assert_eq!(
        error(&zipped(&[("a.txt", b"text")])),
        "the zip: there is no PNG or JPEG picture in its class folders"
    );
    assert_eq!(
        error(&zipped(&[("a.png", &png)])),
        "a.png: lies in no folder; a picture's class is the name of the folder that it lies in"
    );
    assert_eq!(error(&zipped(&[("a/b.png", b"text")])), "a/b.png: is neither a PNG nor a JPEG picture");
    assert!(error(&zipped(&[("a/b.png", &png[..40])])).starts_with("a/b.png: "));
    assert!(error(b"PK\x03\x04 and no more").starts_with("the zip: "));
    for name in ["../a/b.png", "a/../b/c.png", "/a/b.png", "..\\a/b.png"] {
        assert_eq!(error(&zipped(&[(name, &png)])), format!("{name}: leads out of the zip"));
    }
    assert!(error(&zipped(&[("./b.png", &png)])).starts_with("./b.png: lies in no folder"));
}

#[test]
fn bombs_do_not_go_off() {
    // 65 MB of zeros in 65 kB.
    let zeros = vec![0; 65 << 20];
    assert_eq!(error(&zipped(&[("a/b.png", &zeros)])), "a/b.png: unpacks to more than 67108864 bytes");
    // A PNG that says it is 60 000 by 60 000 pixels.
    let mut png = encoded(&GrayImage::new(2, 2), ImageFormat::Png);
    png[16..24].copy_from_slice(&[0, 0, 0xea, 0x60, 0, 0, 0xea, 0x60]);
    let crc = crc(&png[12..29]);
    png[29..33].copy_from_slice(&crc.to_be_bytes());
    assert_eq!(error(&zipped(&[("a/b.png", &png)])), "a/b.png: Memory limit exceeded");
    let tall = Images::from_bytes(ZIP, Some([1 << 20, 1 << 20])).unwrap_err().to_string();
    assert_eq!(tall, "the data are too large: more than 67108864 pixels");
}

/// The checksum of a PNG's chunk.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0_u32, |crc, &byte| {
        (0..8).fold(
            crc ^ u32::from(byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 },
        )
    })
}
