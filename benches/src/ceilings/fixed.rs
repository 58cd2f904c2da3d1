//! actix-web that answers the same bytes to everything, as a process of its own like the service.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;

use actix_web::{App, HttpResponse, HttpServer, web};
use anyhow::Context as _;

use crate::http::Answer;
use crate::load::Script;
use crate::server::{Process, exchange, free_address, request, wait};

/// A running one.
pub(crate) struct Fixed {
    pub(crate) process: Process,
    pub(crate) address: SocketAddr,
}

impl Fixed {
    /// Starts one that answers the bytes of a file.
    pub(crate) fn start(folder: &Path, body: &[u8]) -> anyhow::Result<Self> {
        let path = folder.join("fixed.json");
        std::fs::write(&path, body)?;
        let address = free_address()?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("fixed").arg(&path).arg(address.to_string());
        let mut process = Process::start(command, &folder.join("fixed.log"))?;
        let probe = request(address, "GET", "/", "", None);
        wait(&mut process, || exchange(address, &probe).is_ok_and(|(status, _)| status == 200))?;
        Ok(Self { process, address })
    }
}

/// What the process does.
pub(crate) fn serve(body: &Path, address: SocketAddr) -> anyhow::Result<()> {
    let body = web::Bytes::from(std::fs::read(body).context("the body")?);
    let workers = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
    let server = HttpServer::new(move || {
        let body = body.clone();
        App::new().default_service(web::to(move || {
            let body = body.clone();
            async move {
                HttpResponse::Ok()
                    .content_type("application/scim+json")
                    .insert_header(("ETag", "W/\"1\""))
                    .body(body)
            }
        }))
    });
    let running = async { server.workers(workers).bind(address)?.run().await };
    actix_web::rt::System::new().block_on(running).context("the fixed endpoint")
}

/// Asks what the service is asked.
pub(crate) struct GetFixed {
    /// A whole request, but for its last bytes.
    pub(crate) request: Vec<u8>,
    pub(crate) body_bytes: usize,
}

impl Script for GetFixed {
    fn ask(&self, _: u64, request: &mut Vec<u8>) {
        request.extend_from_slice(&self.request);
    }

    fn check(&self, _: u64, answer: &Answer<'_>) -> Result<(), String> {
        let right = answer.status == 200 && answer.etag.is_some() && answer.body.len() == self.body_bytes;
        if right { Ok(()) } else { Err("not the fixed body".to_owned()) }
    }
}
