use crate::error::{Error, Stage};
use crate::file::*;
use std::io;
use std::{fs, path::Path};

#[test]
fn a_failed_write_leaves_the_old_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.csv");
    write_bytes(&path, b"old").unwrap();
    let failed = write(&path, |output| {
        output.write_all(b"new")?;
        Err(io::ErrorKind::StorageFull.into())
    });
    assert!(failed.unwrap_err().advice().unwrap().contains("space"));
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn what_is_not_there_is_removed_already() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("figures.json");
    write_bytes(&path, b"{}").unwrap();
    remove(&path).and_then(|()| remove(&path)).unwrap();
    assert!(!path.exists() && remove(folder.path()).is_err());
}

#[test]
fn a_full_disk_is_an_error() {
    assert!(write_bytes(Path::new("/dev/full"), b"text").is_err());
    assert!(Path::new("/dev/full").exists());
}

#[test]
fn an_error_of_the_crate_is_not_wrapped() {
    let folder = tempfile::tempdir().unwrap();
    let error = write(&folder.path().join("t.csv"), |_| Err(io::Error::other(Error::new(Stage::Table, "line 4"))));
    assert_eq!(error.unwrap_err().to_string(), "line 4");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn the_same_file_under_two_names() {
    let folder = tempfile::tempdir().unwrap();
    let (file, link) = (folder.path().join("a"), folder.path().join("b"));
    fs::write(&file, "").unwrap();
    std::os::unix::fs::symlink(&file, &link).unwrap();
    assert!(is_same(&file, &link) && is_same(&folder.path().join("./a"), &file));
    assert!(!is_same(&file, Path::new("/dev/null")) && !is_same(&folder.path().join("c"), &folder.path().join("c")));
}
