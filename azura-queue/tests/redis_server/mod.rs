//! A redis-server of a test's own.

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use tempfile::TempDir;

/// Listens on a socket in a folder of its own, and ends with this value.
pub(crate) struct RedisServer {
    process: Child,
    folder: TempDir,
    url: String,
}

impl RedisServer {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let process = spawn(&folder);
        let url = format!("unix://{}", folder.path().join("socket").display());
        let server = Self { process, folder, url };
        server.wait();
        server
    }

    /// Ends it; what it holds is on disk.
    #[allow(dead_code, reason = "not for every test")]
    pub(crate) fn stop(&mut self) {
        let id = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        self.process.wait().unwrap();
    }

    /// Starts it over what it left on disk.
    #[allow(dead_code, reason = "not for every test")]
    pub(crate) fn start_again(&mut self) {
        self.process = spawn(&self.folder);
        self.wait();
    }

    /// Kills it, and starts it again without anything of what it held.
    #[allow(dead_code, reason = "not for every test")]
    pub(crate) fn lose(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        fs::remove_dir_all(self.folder.path().join("appendonlydir")).unwrap();
        fs::remove_file(self.socket()).unwrap();
        self.start_again();
    }

    /// Ends every connection to it.
    #[allow(dead_code, reason = "not for every test")]
    pub(crate) fn kill_connections(&self) {
        self.command(&["CLIENT", "KILL", "TYPE", "normal"]);
        self.command(&["CLIENT", "KILL", "TYPE", "pubsub"]);
    }

    /// Gives it a command as any client would.
    #[allow(dead_code, reason = "not for every test")]
    pub(crate) fn command(&self, words: &[&str]) {
        use std::{fmt::Write as _, io::Write as _};
        let mut stream = std::os::unix::net::UnixStream::connect(self.socket()).unwrap();
        let mut text = format!("*{}\r\n", words.len());
        for word in words {
            write!(text, "${}\r\n{word}\r\n", word.len()).unwrap();
        }
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = [0; 64];
        let _ = std::io::Read::read(&mut stream, &mut answer);
    }

    #[allow(dead_code, reason = "not for every test")]
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    fn wait(&self) {
        let end = Instant::now() + Duration::from_secs(20);
        while std::os::unix::net::UnixStream::connect(self.socket()).is_err() {
            assert!(Instant::now() < end, "redis-server does not come up");
            thread::sleep(Duration::from_millis(5));
        }
    }
}

fn spawn(folder: &TempDir) -> Child {
    Command::new("redis-server")
        .args(["--port", "0", "--unixsocket", "socket", "--appendonly", "yes", "--appendfsync", "everysec"])
        .args(["--save", "", "--dir"])
        .arg(folder.path())
        .stdout(Stdio::null())
        .spawn()
        .expect("these tests need redis-server, in Debian the package redis-server")
}

/// Where it listens.
impl AsRef<str> for RedisServer {
    fn as_ref(&self) -> &str {
        &self.url
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
