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
    args: Vec<String>,
}

impl RedisServer {
    #[allow(dead_code, reason = "not for every test")]
    pub(crate) fn start() -> Self {
        Self::start_with(&[]).expect("redis-server does not come up")
    }

    /// With more on its command line; `None` if it does not stay, as where a port is taken.
    pub(crate) fn start_with(args: &[String]) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let process = spawn(&folder, args);
        let url = format!("unix://{}", folder.path().join("socket").display());
        let mut server = Self { process, folder, url, args: args.to_vec() };
        server.comes_up().then_some(server)
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
        self.process = spawn(&self.folder, &self.args);
        assert!(self.comes_up(), "redis-server does not come up again");
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

    /// Gives it a command as any client would. Returns what it answers at once, as it comes.
    #[allow(dead_code, reason = "not for every test")]
    pub(crate) fn command(&self, words: &[&str]) -> String {
        use std::{fmt::Write as _, io::Write as _};
        let mut stream = std::os::unix::net::UnixStream::connect(self.socket()).unwrap();
        let mut text = format!("*{}\r\n", words.len());
        for word in words {
            write!(text, "${}\r\n{word}\r\n", word.len()).unwrap();
        }
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = vec![0; 1 << 16];
        let length = std::io::Read::read(&mut stream, &mut answer).unwrap_or(0);
        String::from_utf8_lossy(&answer[..length]).into_owned()
    }

    #[allow(dead_code, reason = "not for every test")]
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    fn comes_up(&mut self) -> bool {
        let end = Instant::now() + Duration::from_secs(20);
        while std::os::unix::net::UnixStream::connect(self.socket()).is_err() {
            if self.process.try_wait().unwrap().is_some() {
                return false;
            }
            assert!(Instant::now() < end, "redis-server does not come up");
            thread::sleep(Duration::from_millis(5));
        }
        true
    }
}

fn spawn(folder: &TempDir, args: &[String]) -> Child {
    Command::new("redis-server")
        .args(["--port", "0", "--unixsocket", "socket", "--appendonly", "yes", "--appendfsync", "everysec"])
        .args(["--save", "", "--dir"])
        .arg(folder.path())
        .args(args)
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
