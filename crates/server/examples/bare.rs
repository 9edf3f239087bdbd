//! The baseline of the HTTP benchmark: bare axum handlers that answer what the 2024 challenge's
//! routes answer, byte for byte, behind the same listener and limits, without a ledger.
//!
//! `cargo run --release -p server --example bare -- 127.0.0.1:9998`

use std::error::Error;
use std::sync::LazyLock;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::{get, post};
use server::{Limits, ListenAddress, bind, serve_router};

const LIMITS: [u64; 5] = [100_000, 80_000, 1_000_000, 10_000_000, 500_000];

static TRANSACTIONS: LazyLock<[String; 5]> =
    LazyLock::new(|| LIMITS.map(|limit| format!(r#"{{"limite":{limit},"saldo":-9098}}"#)));

static STATEMENTS: LazyLock<[String; 5]> = LazyLock::new(|| {
    LIMITS.map(|limit| {
        format!(
            concat!(
                r#"{{"saldo":{{"total":-9098,"data_extrato":"2024-01-17T02:34:41.217753Z","limite":{}}},"#,
                r#""ultimas_transacoes":["#,
                r#"{{"valor":10,"tipo":"c","descricao":"descricao","realizada_em":"2024-01-17T02:34:38.543030Z"}},"#,
                r#"{{"valor":90,"tipo":"d","descricao":"descricao","realizada_em":"2024-01-17T02:34:38.543030Z"}}"#,
                "]}}"
            ),
            limit
        )
    })
});

fn main() -> Result<(), Box<dyn Error>> {
    let address = std::env::args().nth(1);
    let address: ListenAddress = address.as_deref().unwrap_or("127.0.0.1:9998").parse()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let listener = bind(&address).await?;
        println!("listening on {}", listener.address());
        let router = Router::new()
            .route("/clientes/{id}/transacoes", post(transact))
            .route("/clientes/{id}/extrato", get(statement))
            // So that it can stand in a server's place behind a proxy.
            .route("/readyz", get(async || "ready"));
        let shutdown = async {
            let _ = tokio::signal::ctrl_c().await;
        };
        let limits = Limits::default();
        serve_router(listener, router, &limits, shutdown, Duration::from_secs(1)).await;
        Ok(())
    })
}

async fn transact(Path(client): Path<usize>, _body: Bytes) -> impl IntoResponse {
    answer(&TRANSACTIONS, client)
}

async fn statement(Path(client): Path<usize>) -> impl IntoResponse {
    answer(&STATEMENTS, client)
}

fn answer(answers: &'static [String; 5], client: usize) -> impl IntoResponse {
    match client.checked_sub(1).and_then(|at| answers.get(at)) {
        Some(body) => Ok(([(CONTENT_TYPE, "application/json")], body.as_str())),
        None => Err(StatusCode::NOT_FOUND),
    }
}
