//! WAV files: RIFF chunks, of which `fmt ` and `data` matter (Microsoft and IBM 1991, with the extensible format of 2001).

use std::path::Path;

use super::Audio;
use crate::data::{DataError, read};

/// Bytes of a file: 23 minutes of stereo at 48 kHz and 16 bits.
const MOST_BYTES: usize = 256 << 20;
/// Samples of one channel: half an hour at 48 kHz.
const MOST_SAMPLES: usize = 1 << 27;
const MOST_RATE: u32 = 768_000;

const PCM: u16 = 1;
const FLOAT: u16 = 3;
const EXTENSIBLE: u16 = 0xfffe;

impl Audio {
    /// Reads a WAV file of at most 256 MiB.
    ///
    /// # Errors
    /// As [`Audio::from_wav`], with the file's name, and [`DataError::Io`].
    pub fn open(path: &Path) -> Result<Self, DataError> {
        parse(&read::whole(path, MOST_BYTES)?)
            .map_err(|problem| DataError::file(path.display().to_string(), problem))
    }

    /// Reads the bytes of a WAV file: whole numbers of 8, 16, 24 or 32 bits, or floats of 32 or 64; any rate up to 768 kHz.
    /// Channels are mixed to one by their mean. Floats beyond -1 to 1 stay as they are.
    ///
    /// ```
    /// # use azura_learner::data::Audio;
    /// let wav = Audio::new(8000, vec![0.5, -0.25]).to_wav();
    /// assert_eq!(Audio::from_wav(&wav)?.samples, [0.5, -0.25]);
    /// let error = Audio::from_wav(&wav[..46]).unwrap_err().to_string();
    /// assert_eq!(error, "the WAV: byte 40: its data should be 4 bytes long, but only 2 follow");
    /// # Ok::<(), azura_learner::data::DataError>(())
    /// ```
    ///
    /// # Errors
    /// [`DataError::File`], which says at which byte what is wrong, and [`DataError::TooLarge`].
    pub fn from_wav(bytes: &[u8]) -> Result<Self, DataError> {
        if bytes.len() > MOST_BYTES {
            return Err(DataError::TooLarge { limit: MOST_BYTES, what: "bytes" });
        }
        parse(bytes).map_err(|problem| DataError::file("the WAV", problem))
    }

    /// The bytes of a WAV file of one channel with 16 bits: a sample x becomes `round(32768 x)`, at most 32767. Of sound longer
    /// than a WAV file can be, 2^30 samples are written.
    pub fn to_wav(&self) -> Vec<u8> {
        let samples = &self.samples[..self.samples.len().min(1 << 30)];
        let length = 2 * samples.len() as u32;
        let mut out = Vec::with_capacity(44 + length as usize);
        out.extend(b"RIFF");
        out.extend((36 + length).to_le_bytes());
        out.extend(b"WAVEfmt ");
        out.extend(16_u32.to_le_bytes());
        out.extend([PCM, 1].map(u16::to_le_bytes).as_flattened());
        out.extend([self.rate, self.rate.saturating_mul(2)].map(u32::to_le_bytes).as_flattened());
        out.extend([2_u16, 16].map(u16::to_le_bytes).as_flattened());
        out.extend(b"data");
        out.extend(length.to_le_bytes());
        // From float to integer a cast stays within the integer's range.
        out.extend(samples.iter().flat_map(|x| ((x * 32_768.0).round() as i16).to_le_bytes()));
        out
    }
}

/// How samples are written.
struct Format {
    code: u16,
    channels: u16,
    rate: u32,
    bits: u16,
}

fn parse(bytes: &[u8]) -> Result<Audio, String> {
    if bytes.get(..4) != Some(b"RIFF") || bytes.get(8..12) != Some(b"WAVE") {
        return Err("byte 0: is no WAV file; one begins with RIFF, its length and WAVE".into());
    }
    let mut format = None;
    let mut at = 12;
    loop {
        let Some(name) = bytes.get(at..).and_then(|rest| rest.get(..4)) else {
            let missing = if format.is_none() { "fmt" } else { "data" };
            return Err(format!("byte {at}: the file ends without a chunk `{missing}`"));
        };
        let length = number(bytes, at + 4, 4)? as usize;
        let body = bytes.get(at + 8..).unwrap_or_default();
        match name {
            b"fmt " => {
                // It does not reach into the next chunk.
                let end = at + 8 + length.min(body.len());
                format = Some(Format::of(bytes.get(..end).unwrap_or(bytes), at + 8)?);
            }
            b"data" => {
                let format =
                    format.ok_or_else(|| format!("byte {at}: there is no chunk `fmt` before the data"))?;
                let Some(data) = body.get(..length) else {
                    let follow = body.len();
                    return Err(format!(
                        "byte {}: its data should be {length} bytes long, but only {follow} follow",
                        at + 4
                    ));
                };
                return format.samples(data, at);
            }
            _ => {}
        }
        // Chunks begin at even places.
        at = at.saturating_add(8 + length + length % 2);
    }
}

/// A whole number of `size` bytes, the least first.
fn number(bytes: &[u8], at: usize, size: usize) -> Result<u64, String> {
    let found = bytes.get(at..at + size).ok_or_else(|| format!("byte {at}: the file ends too soon"))?;
    Ok(found.iter().rev().fold(0, |n, &byte| n << 8 | u64::from(byte)))
}

impl Format {
    fn of(bytes: &[u8], at: usize) -> Result<Self, String> {
        let field = |offset, size| number(bytes, at + offset, size);
        let mut code = field(0, 2)? as u16;
        let (channels, rate, bits) = (field(2, 2)? as u16, field(4, 4)? as u32, field(14, 2)? as u16);
        if code == EXTENSIBLE {
            code = field(24, 2)? as u16;
        }
        if channels == 0 {
            return Err(format!("byte {}: no channels", at + 2));
        }
        if !(1..=MOST_RATE).contains(&rate) {
            return Err(format!("byte {}: {rate} samples a second; 1 to {MOST_RATE} are allowed", at + 4));
        }
        match (code, bits) {
            (PCM, 8 | 16 | 24 | 32) | (FLOAT, 32 | 64) => Ok(Self { code, channels, rate, bits }),
            (PCM | FLOAT, _) => {
                let what = if code == PCM { "whole numbers" } else { "floats" };
                let allowed = if code == PCM { "8, 16, 24 or 32" } else { "32 or 64" };
                Err(format!("byte {}: {what} of {bits} bits; {allowed} are allowed", at + 14))
            }
            _ => Err(format!("byte {at}: compressed samples (format {code}), which cannot be read")),
        }
    }

    fn samples(&self, data: &[u8], at: usize) -> Result<Audio, String> {
        let size = usize::from(self.bits / 8);
        let frame = size * usize::from(self.channels);
        if !data.len().is_multiple_of(frame) {
            let length = data.len();
            return Err(format!(
                "byte {}: {length} bytes of data are no multiple of {frame}, one sample of each channel",
                at + 4
            ));
        }
        if data.len() / frame > MOST_SAMPLES {
            return Err(format!("byte {}: more than {MOST_SAMPLES} samples", at + 4));
        }
        let mut samples = Vec::with_capacity(data.len() / frame);
        for (i, channels) in data.chunks_exact(frame).enumerate() {
            let sum: f64 = channels.chunks_exact(size).map(|bytes| self.sample(bytes)).sum();
            let mean = (sum / f64::from(self.channels)) as f32;
            if !mean.is_finite() {
                return Err(format!("byte {}: a sample that is no finite number", at + 8 + i * frame));
            }
            samples.push(mean);
        }
        Ok(Audio { rate: self.rate, samples })
    }

    /// A sample of one channel; whole numbers are divided by the half of how many there are.
    fn sample(&self, bytes: &[u8]) -> f64 {
        match (bytes, self.code) {
            (&[a], _) => (f64::from(a) - 128.0) / 128.0,
            (&[a, b], _) => f64::from(i16::from_le_bytes([a, b])) / 32_768.0,
            (&[a, b, c], _) => f64::from(i32::from_le_bytes([0, a, b, c])) / 2_147_483_648.0,
            (&[a, b, c, d], PCM) => f64::from(i32::from_le_bytes([a, b, c, d])) / 2_147_483_648.0,
            (&[a, b, c, d], _) => f64::from(f32::from_le_bytes([a, b, c, d])),
            (&[a, b, c, d, e, f, g, h], _) => f64::from_le_bytes([a, b, c, d, e, f, g, h]),
            _ => f64::NAN,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use hound::{SampleFormat, WavReader, WavSpec, WavWriter};

    use super::*;

    fn spec(channels: u16, bits_per_sample: u16, sample_format: SampleFormat) -> WavSpec {
        WavSpec { channels, sample_rate: 11_025, bits_per_sample, sample_format }
    }

    /// A file as hound writes it.
    fn written<S: hound::Sample + Copy>(spec: WavSpec, samples: &[S]) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        let mut writer = WavWriter::new(&mut bytes, spec).unwrap();
        for &x in samples {
            writer.write_sample(x).unwrap();
        }
        writer.finalize().unwrap();
        bytes.into_inner()
    }

    #[test]
    fn every_format_is_read_as_another_program_writes_it() {
        for bits in [8, 16, 24, 32] {
            let half = 1_i64 << (bits - 1);
            let samples = [0, half / 2, -half, half - 1].map(|x| x as i32);
            let audio = Audio::from_wav(&written(spec(1, bits, SampleFormat::Int), &samples)).unwrap();
            let greatest = (half - 1) as f32 / half as f32;
            assert_eq!((audio.rate, &audio.samples[..]), (11_025, &[0.0, 0.5, -1.0, greatest][..]), "{bits}");
        }
        let floats = written(spec(1, 32, SampleFormat::Float), &[0.25_f32, -1.5]);
        assert_eq!(Audio::from_wav(&floats).unwrap().samples, [0.25, -1.5]);
        // Three channels are extensible, and mixed by their mean.
        let mixed = written(spec(3, 16, SampleFormat::Int), &[16_384_i16, 8192, 0, -3, 0, 3]);
        assert_eq!(Audio::from_wav(&mixed).unwrap().samples, [0.25, 0.0]);
    }

    #[test]
    fn another_program_reads_what_is_written() {
        let audio = Audio::new(8000, vec![0.0, 0.5, -1.0, 1.0, -3.0, 3.0, 0.000_02]);
        let mut reader = WavReader::new(Cursor::new(audio.to_wav())).unwrap();
        assert_eq!(
            reader.spec(),
            WavSpec { channels: 1, sample_rate: 8000, bits_per_sample: 16, sample_format: SampleFormat::Int }
        );
        let samples: Vec<i16> = reader.samples().map(Result::unwrap).collect();
        // 0.00002 · 32768 = 0.66.
        assert_eq!(samples, [0, 16_384, -32_768, 32_767, -32_768, 32_767, 1]);
    }

    /// The bytes of a file of one sample, 0.5, in pieces: header, `fmt ` and `data`.
    fn pieces() -> [Vec<u8>; 3] {
        let bytes = Audio::new(8000, vec![0.5]).to_wav();
        [bytes[..12].to_vec(), bytes[12..36].to_vec(), bytes[36..].to_vec()]
    }

    #[test]
    fn other_chunks_are_passed_over_with_their_padding() {
        let [header, format, data] = pieces();
        let odd = b"LIST\x03\0\0\0abc\0".to_vec();
        assert_eq!(Audio::from_wav(&[header, odd, format, data].concat()).unwrap().samples, [0.5]);
        // 64 bit floats: format 3, 8 bytes.
        let [header, mut format, _] = pieces();
        format[8..10].copy_from_slice(&[3, 0]);
        format[20..24].copy_from_slice(&[8, 0, 64, 0]);
        let data = [b"data\x08\0\0\0".to_vec(), 0.75_f64.to_le_bytes().to_vec()].concat();
        assert_eq!(Audio::from_wav(&[header, format, data].concat()).unwrap().samples, [0.75]);
    }

    #[test]
    fn what_is_wrong_and_where() {
        let error = |bytes: &[u8]| Audio::from_wav(bytes).unwrap_err().to_string();
        let whole = pieces().concat();
        let with = |at: usize, bytes: &[u8]| {
            let mut changed = whole.clone();
            changed[at..at + bytes.len()].copy_from_slice(bytes);
            error(&changed)
        };
        let begins = "the WAV: byte 0: is no WAV file; one begins with RIFF, its length and WAVE";
        assert_eq!([error(b""), error(b"MThd"), with(8, b"AVI ")], [begins; 3]);
        assert_eq!(error(&whole[..12]), "the WAV: byte 12: the file ends without a chunk `fmt`");
        assert_eq!(error(&whole[..36]), "the WAV: byte 36: the file ends without a chunk `data`");
        assert_eq!(error(&whole[..30]), "the WAV: byte 34: the file ends too soon");
        assert_eq!(with(12, b"junk"), "the WAV: byte 36: there is no chunk `fmt` before the data");
        assert_eq!(
            with(20, &[2, 0]),
            "the WAV: byte 20: compressed samples (format 2), which cannot be read"
        );
        assert_eq!(with(22, &[0, 0]), "the WAV: byte 22: no channels");
        assert_eq!(with(24, &[0; 4]), "the WAV: byte 24: 0 samples a second; 1 to 768000 are allowed");
        assert_eq!(
            with(34, &[12, 0]),
            "the WAV: byte 34: whole numbers of 12 bits; 8, 16, 24 or 32 are allowed"
        );
        assert_eq!(
            with(40, &[0xff; 4]),
            "the WAV: byte 40: its data should be 4294967295 bytes long, but only 2 follow"
        );
        assert_eq!(
            with(22, &[2, 0]),
            "the WAV: byte 40: 2 bytes of data are no multiple of 4, one sample of each channel"
        );
        let nan = written(spec(1, 32, SampleFormat::Float), &[0.0, f32::NAN]);
        let at = nan.len() - 4;
        assert_eq!(error(&nan), format!("the WAV: byte {at}: a sample that is no finite number"));
    }
}
