//! Finished parts of a long scoring run, in files of their own beside the output: what is on disk need not be done again.

use crate::error::{Error, Result, Stage};
use crate::file;
use std::fs;
use std::path::{Path, PathBuf};

/// First bytes of a part.
const MAGIC: &[u8; 8] = b"carlprt1";
/// What the parts belong to.
const JOB: &str = "job.json";
/// Added to the job once the output is written.
const FINISHED: &str = "\nfinished\n";

/// A scored row.
#[derive(Debug, Clone, PartialEq)]
pub struct Scored {
    /// Number of the row among those of this run, from 0.
    pub row: u64,
    /// The architecture as it was given.
    pub text: String,
    /// Mean over members.
    pub score: f64,
    /// Standard deviation over members.
    pub std: f64,
}

/// A folder of parts.
#[derive(Debug)]
pub struct Parts {
    folder: PathBuf,
    /// What the parts belong to, where they are to outlive a run that is cut off.
    job: Option<String>,
    made: bool,
}

/// What was found of an earlier run.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    /// So many parts.
    Parts(usize),
    /// Its output was written.
    Finished,
}

impl Parts {
    /// Parts beside `output` that go when this value does.
    pub fn passing(output: &Path) -> Self {
        let folder = beside(output, &format!("{}.parts", std::process::id()));
        Parts { folder, job: None, made: false }
    }

    /// Parts beside `output` that stay until [`Parts::finish`], and what is there already of the same `job`.
    ///
    /// # Errors
    /// Parts of another job; the disk refuses.
    pub fn lasting(output: &Path, job: String) -> Result<(Self, Found)> {
        let folder = beside(output, "parts");
        let path = folder.join(JOB);
        let mut found = Found::Parts(0);
        match fs::read_to_string(&path) {
            Ok(text) if text.strip_suffix(FINISHED) == Some(&job) => {
                found = if output.exists() { Found::Finished } else { Found::Parts(0) };
            }
            Ok(text) if text == job => {
                let there = |number: &usize| folder.join(name(*number)).exists();
                found = Found::Parts((0..).take_while(there).count());
            }
            Ok(text) if !text.ends_with(FINISHED) => {
                return Err(Error::new(Stage::Usage, "the parts that are there belong to another run")
                    .file(&folder)
                    .hint("resume with the checkpoint, input and options of that run, or delete the folder"));
            }
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(Error::io(&path, "read", &error)),
            _ => {}
        }
        file::create_folder(&folder)?;
        if found != Found::Finished {
            file::write_bytes(&path, job.as_bytes())?;
        }
        Ok((Parts { folder, job: Some(job), made: true }, found))
    }

    /// Whether parts outlive a run that is cut off.
    pub fn last(&self) -> bool {
        self.job.is_some()
    }

    /// The folder, made where it was not.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn folder(&mut self) -> Result<&Path> {
        if !self.made {
            file::create_folder(&self.folder)?;
            self.made = true;
        }
        Ok(&self.folder)
    }

    /// Writes part `number`, made of `rows` rows of the input of which `kept` are kept.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn write(&mut self, number: usize, rows: u64, kept: &[Scored]) -> Result<()> {
        let path = self.folder()?.join(name(number));
        file::write(&path, |output| {
            output.write_all(MAGIC)?;
            output.write_all(&rows.to_le_bytes())?;
            for Scored { row, text, score, std } in kept {
                output.write_all(&row.to_le_bytes())?;
                output.write_all(&score.to_le_bytes())?;
                output.write_all(&std.to_le_bytes())?;
                output.write_all(&(text.len() as u64).to_le_bytes())?;
                output.write_all(text.as_bytes())?;
            }
            Ok(())
        })
    }

    /// Rows of the input in part `number`, and those that were kept.
    ///
    /// # Errors
    /// A part that is missing or damaged.
    pub fn read(&self, number: usize) -> Result<(u64, Vec<Scored>)> {
        let path = self.folder.join(name(number));
        let bytes = fs::read(&path).map_err(|error| Error::io(&path, "read", &error))?;
        decode(&bytes).ok_or_else(|| {
            Error::new(Stage::Io, "the part is damaged").file(&path).hint("delete its folder and run again")
        })
    }

    /// Drops the parts and remembers that the output is written.
    ///
    /// # Errors
    /// The disk refuses.
    pub fn finish(self, count: usize) -> Result<()> {
        let Some(job) = &self.job else { return Ok(()) };
        file::write_bytes(&self.folder.join(JOB), format!("{job}{FINISHED}").as_bytes())?;
        for number in 0..count {
            let path = self.folder.join(name(number));
            fs::remove_file(&path).map_err(|error| Error::io(&path, "delete", &error))?;
        }
        Ok(())
    }
}

impl Drop for Parts {
    fn drop(&mut self) {
        if self.made && self.job.is_none() {
            // Nothing is left to do where even this fails.
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// The folder of parts of `output`: hidden, beside it; among temporary files where the output is no file.
fn beside(output: &Path, ending: &str) -> PathBuf {
    let special = fs::metadata(output).is_ok_and(|data| !data.is_file());
    match output.file_name() {
        Some(name) if !special && output != Path::new("-") => {
            output.with_file_name(format!(".{}.{ending}", name.to_string_lossy()))
        }
        _ => std::env::temp_dir().join(format!("carl.{ending}")),
    }
}

fn name(number: usize) -> String {
    format!("{number:08}.part")
}

fn decode(bytes: &[u8]) -> Option<(u64, Vec<Scored>)> {
    let mut rest = bytes.strip_prefix(MAGIC)?;
    let word = |rest: &mut &[u8]| -> Option<[u8; 8]> {
        let (word, behind) = rest.split_first_chunk::<8>()?;
        *rest = behind;
        Some(*word)
    };
    let rows = u64::from_le_bytes(word(&mut rest)?);
    let mut kept = Vec::new();
    while !rest.is_empty() {
        let row = u64::from_le_bytes(word(&mut rest)?);
        let (score, std) = (f64::from_le_bytes(word(&mut rest)?), f64::from_le_bytes(word(&mut rest)?));
        let length = usize::try_from(u64::from_le_bytes(word(&mut rest)?)).ok()?;
        let (text, behind) = rest.split_at_checked(length)?;
        rest = behind;
        kept.push(Scored { row, text: String::from_utf8(text.to_vec()).ok()?, score, std });
    }
    Some((rows, kept))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(row: u64) -> Scored {
        Scored { row, text: format!("cell {row}"), score: row as f64 / 7.0, std: 0.5 }
    }

    #[test]
    fn parts_last_until_the_job_is_finished() {
        let folder = tempfile::tempdir().unwrap();
        let output = folder.path().join("scores.csv");
        let open = |job: &str| Parts::lasting(&output, job.to_string());
        let (mut parts, found) = open("one").unwrap();
        assert_eq!(found, Found::Parts(0));
        parts.write(0, 2, &[row(0), row(1)]).unwrap();
        drop(parts);
        assert!(open("two").unwrap_err().to_string().contains("another run"));
        let (parts, found) = open("one").unwrap();
        assert_eq!((found, parts.read(0).unwrap()), (Found::Parts(1), (2, vec![row(0), row(1)])));
        fs::write(&output, "done").unwrap();
        parts.finish(1).unwrap();
        assert_eq!(open("one").unwrap().1, Found::Finished);
        assert_eq!(open("two").unwrap().1, Found::Parts(0));
    }

    #[test]
    fn passing_parts_go_and_damaged_ones_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let mut parts = Parts::passing(&folder.path().join("scores.csv"));
        parts.write(0, 1, &[row(0)]).unwrap();
        let path = parts.folder().unwrap().join(name(0));
        let whole = fs::read(&path).unwrap();
        for length in [0, 8, 20, whole.len() - 1] {
            fs::write(&path, &whole[..length]).unwrap();
            assert!(parts.read(0).is_err(), "{length}");
        }
        drop(parts);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
