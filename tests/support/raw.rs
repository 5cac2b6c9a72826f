//! Requests that no client library would send, byte by byte.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::time::Duration;

use super::client::Answer;
use super::server::Server;

impl Server {
    /// Sends bytes, says that there are no more, and reads whatever comes back until the service closes.
    ///
    /// `None` when that is no answer: the service may also just hang up on what is no HTTP.
    pub fn raw(&self, bytes: &[u8]) -> Option<Answer> {
        let mut stream = self.open();
        // It may have answered and hung up before everything was sent.
        let _ = stream.write_all(bytes);
        let _ = stream.shutdown(Shutdown::Write);
        receive(&mut stream)
    }

    /// A connection on which a test takes its time.
    pub fn open(&self) -> TcpStream {
        let stream = TcpStream::connect(self.address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        stream
    }
}

/// The answer on a connection that its other side then closes.
pub fn receive(stream: &mut TcpStream) -> Option<Answer> {
    let mut received = Vec::new();
    if let Err(error) = stream.read_to_end(&mut received) {
        assert!(
            !matches!(error.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut),
            "the service neither answers nor hangs up"
        );
    }
    parse(&received)
}

fn parse(received: &[u8]) -> Option<Answer> {
    let end = received.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = std::str::from_utf8(&received[..end]).ok()?;
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines.filter_map(|line| line.split_once(':'));
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value.trim().to_owned())).collect();
    Some(Answer::new(status, headers, received[end + 4..].to_vec()))
}
