//! The bytes of the requests.

use std::io::Write;

use crate::target::Target;

/// Writes requests to a server.
#[derive(Debug, Clone)]
pub(crate) struct Requests {
    /// The header lines of every request.
    head: String,
}

impl Requests {
    pub(crate) fn new(target: &Target) -> Self {
        Self {
            head: target.head(),
        }
    }

    /// `POST /clientes/{account}/transacoes` with a body as it is.
    pub(crate) fn transaction(&self, account: usize, body: &str) -> Vec<u8> {
        let mut request = Vec::with_capacity(256);
        // Writing into memory cannot fail.
        let _ = write!(
            request,
            "POST /clientes/{account}/transacoes HTTP/1.1\r\n{}\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.head,
            body.len()
        );
        request
    }

    /// `GET /clientes/{account}/extrato`
    pub(crate) fn statement(&self, account: usize) -> Vec<u8> {
        let mut request = Vec::with_capacity(128);
        let _ = write!(
            request,
            "GET /clientes/{account}/extrato HTTP/1.1\r\n{}\r\n",
            self.head
        );
        request
    }
}

/// A transaction's body.
pub(crate) fn body(amount: u32, kind: char, description: &str) -> String {
    format!(r#"{{"valor": {amount}, "tipo": "{kind}", "descricao": "{description}"}}"#)
}
