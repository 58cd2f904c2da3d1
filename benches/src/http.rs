//! A kept HTTP/1.1 connection that costs little: one buffer out, one buffer in.
//!
//! It knows what the services here answer: a length, or a status without a body. Anything else is an error.

use std::net::SocketAddr;

use anyhow::{Context as _, bail};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// What an answer's head may count.
const HEADERS_MAX: usize = 32;

/// A connection that stays open.
pub(crate) struct Connection {
    stream: TcpStream,
    inbox: Vec<u8>,
}

/// An answer, as it lies in the connection's buffer.
pub(crate) struct Answer<'c> {
    pub(crate) status: u16,
    pub(crate) etag: Option<&'c [u8]>,
    pub(crate) body: &'c [u8],
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, inbox: Vec::with_capacity(16 * 1024) })
    }

    /// Sends a request and reads its answer.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> anyhow::Result<Answer<'_>> {
        self.stream.write_all(request).await.context("sending a request")?;
        self.inbox.clear();
        let (head_bytes, status, etag, body_bytes) = loop {
            if self.stream.read_buf(&mut self.inbox).await.context("reading an answer")? == 0 {
                bail!("the service closed the connection instead of answering");
            }
            if let Some(head) = head(&self.inbox)? {
                break head;
            }
        };
        let whole = head_bytes + body_bytes;
        self.inbox.reserve(whole.saturating_sub(self.inbox.len()));
        while self.inbox.len() < whole {
            if self.stream.read_buf(&mut self.inbox).await.context("reading an answer's body")? == 0 {
                bail!("the service closed the connection in the middle of an answer");
            }
        }
        if self.inbox.len() > whole {
            bail!("the service sent {} bytes that nobody asked for", self.inbox.len() - whole);
        }
        Ok(Answer { status, etag: etag.map(|place| &self.inbox[place]), body: &self.inbox[head_bytes..] })
    }
}

type Head = (usize, u16, Option<std::ops::Range<usize>>, usize);

/// Length, status, place of the `ETag` and length of the body, once the head is complete.
fn head(bytes: &[u8]) -> anyhow::Result<Option<Head>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut answer = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head_bytes) = answer.parse(bytes).context("an answer's head")? else {
        return Ok(None);
    };
    let status = answer.code.unwrap_or_default();
    let mut etag = None;
    let mut body_bytes = matches!(status, 204 | 304).then_some(0);
    for header in answer.headers.iter() {
        if header.name.eq_ignore_ascii_case("content-length") {
            let text = std::str::from_utf8(header.value).context("a length")?;
            body_bytes = Some(text.parse().context("a length")?);
        } else if header.name.eq_ignore_ascii_case("etag") {
            let from = header.value.as_ptr().addr() - bytes.as_ptr().addr();
            etag = Some(from..from + header.value.len());
        }
    }
    let body_bytes = body_bytes.with_context(|| format!("an answer {status} without a length"))?;
    Ok(Some((head_bytes, status, etag, body_bytes)))
}

/// Whether `needle` occurs in `haystack`.
pub(crate) fn contains(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}
