//! The key file: made once, kept private, refused when it is not.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use tempfile::TempDir;

use super::MasterKey;
use crate::randomness::SystemRandomness;
use crate::sealing::KeyError;

fn folder() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("master.key");
    (folder, path)
}

fn write(path: &PathBuf, text: &str, mode: u32) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

#[track_caller]
fn assert_refused(loaded: Result<MasterKey, KeyError>, text: &str) {
    let reason = loaded.unwrap_err().to_string();
    assert!(reason.contains(text), "{reason}");
}

#[test]
fn a_missing_key_is_made_once_for_its_owner_only() {
    let (folder, path) = folder();
    let made = MasterKey::load_or_create(&path, &SystemRandomness).unwrap();
    let text = fs::read_to_string(&path).unwrap();
    assert_eq!(text, format!("{}\n", hex::encode(made.secret().expose())));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);

    let again = MasterKey::load_or_create(&path, &SystemRandomness).unwrap();
    assert_eq!(again.secret().expose(), made.secret().expose());
    assert_ne!(made.secret().expose(), &[0; 32]);
}

#[test]
fn loading_does_not_make_a_key() {
    let (_folder, path) = folder();
    assert_refused(MasterKey::load(&path), "master.key: No such file");
    assert!(!path.exists());
}

#[test]
fn a_key_that_others_can_read_is_refused_with_the_remedy() {
    let (_folder, path) = folder();
    for mode in [0o640, 0o604, 0o620, 0o601] {
        write(&path, &format!("{}\n", "0f".repeat(32)), mode);
        assert_refused(
            MasterKey::load_or_create(&path, &SystemRandomness),
            &format!("run: chmod 600 {}", path.display()),
        );
    }
    write(&path, &"0f".repeat(32), 0o400);
    assert_eq!(MasterKey::load(&path).unwrap().secret().expose(), &[0x0f; 32]);
}

#[test]
fn a_file_that_holds_no_key_is_refused() {
    let (_folder, path) = folder();
    let digits = "0f".repeat(32);
    for text in ["", "\n", &digits[1..], &format!("{digits}0"), &format!("{digits}\n\n"), &"zz".repeat(32)] {
        write(&path, text, 0o600);
        assert_refused(MasterKey::load(&path), "does not hold 64 hex digits and a newline");
    }
}

#[test]
fn a_half_made_key_of_a_process_that_was_killed_is_made_anew() {
    let (folder, path) = folder();
    write(&folder.path().join("master.key.new"), "0f0f", 0o600);
    let made = MasterKey::load_or_create(&path, &SystemRandomness).unwrap();
    assert_eq!(MasterKey::load(&path).unwrap().secret().expose(), made.secret().expose());
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_key_is_never_printed() {
    let (_folder, path) = folder();
    let key = MasterKey::load_or_create(&path, &SystemRandomness).unwrap();
    assert_eq!(format!("{key:?}"), "MasterKey(Secret(…))");
}
