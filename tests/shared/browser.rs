//! A browser without a window.

use std::path::Path;
use std::process::Command;

/// The title of the document in the file `page` once its scripts have run; none, with a line that says so, where there is no
/// Chromium.
pub fn title(page: &Path) -> Option<String> {
    let found = |name: &&str| Command::new(name).arg("--version").output().is_ok_and(|output| output.status.success());
    let Some(browser) = ["chromium", "chromium-browser", "google-chrome"].into_iter().find(found) else {
        eprintln!("skipped: no Chromium");
        return None;
    };
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new(browser)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"])
        .args(["--disable-component-update", "--disable-sync", "--no-first-run", "--virtual-time-budget=10000"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .args(["--dump-dom", &format!("file://{}", page.display())])
        .output()
        .unwrap();
    let seen = String::from_utf8_lossy(&output.stdout);
    let title = seen.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next());
    Some(title.unwrap_or_else(|| panic!("{}", String::from_utf8_lossy(&output.stderr))).to_string())
}
