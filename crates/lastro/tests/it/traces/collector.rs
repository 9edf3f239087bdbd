//! A collector: the OTLP service over gRPC, made of its published definitions.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use opentelemetry_proto::tonic::common::v1::KeyValue;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use parking_lot::Mutex;
use testkit::certificates::Certificate;
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Identity, Server, ServerTlsConfig};
use tonic::{Request, Response, Status};

/// What the collector does with what it is sent.
#[derive(Debug, Clone, Copy)]
pub(super) enum Behaviour {
    Takes,
    /// It takes what comes with this `authorization`.
    Asks(&'static str),
    /// It never answers.
    Hangs,
}

/// A span, as it was sent.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// The role of the process that sent it.
    pub(super) role: String,
    pub(super) trace_id: String,
    pub(super) span_id: String,
    /// Empty for the first span of a trace.
    pub(super) parent_id: String,
    pub(super) name: String,
    /// 1: internal, 2: server, 3: client.
    pub(super) kind: i32,
    pub(super) start_ns: u64,
    pub(super) end_ns: u64,
    pub(super) is_failed: bool,
    attributes: Vec<(String, String)>,
}

impl Seen {
    pub(super) fn attribute(&self, key: &str) -> &str {
        let mut found = self.attributes.iter().filter(|(name, _)| name == key);
        let found = found
            .next()
            .unwrap_or_else(|| panic!("{} has no {key}", self.name));
        &found.1
    }
}

/// A collector on a free port of loopback.
pub(super) struct Collector {
    pub(super) url: String,
    seen: Arc<Mutex<Vec<Seen>>>,
}

struct Service {
    behaviour: Behaviour,
    seen: Arc<Mutex<Vec<Seen>>>,
}

#[tonic::async_trait]
impl TraceService for Service {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        match self.behaviour {
            Behaviour::Takes => {}
            Behaviour::Asks(value) => {
                let shown = request.metadata().get("authorization");
                if shown.is_none_or(|shown| shown != value) {
                    // As careless as a collector can be.
                    return Err(Status::unauthenticated(format!("not {shown:?}: {value}")));
                }
            }
            Behaviour::Hangs => std::future::pending().await,
        }
        self.seen.lock().extend(spans(request.into_inner()));
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

fn text(attributes: &[KeyValue]) -> Vec<(String, String)> {
    let text = |attribute: &KeyValue| {
        let value = attribute.value.as_ref().and_then(|any| any.value.as_ref());
        let value = match value.unwrap() {
            Value::StringValue(text) => text.clone(),
            Value::IntValue(number) => number.to_string(),
            Value::BoolValue(flag) => flag.to_string(),
            other => panic!("an attribute with {other:?}"),
        };
        (attribute.key.clone(), value)
    };
    attributes.iter().map(text).collect()
}

fn spans(request: ExportTraceServiceRequest) -> Vec<Seen> {
    let mut seen = Vec::new();
    for of_process in request.resource_spans {
        let process = text(&of_process.resource.unwrap().attributes);
        let of = |key: &str| {
            process
                .iter()
                .find(|(name, _)| name == key)
                .unwrap()
                .1
                .clone()
        };
        assert_eq!(of("service.name"), "lastro");
        for span in of_process
            .scope_spans
            .into_iter()
            .flat_map(|scope| scope.spans)
        {
            let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            assert_eq!((span.trace_id.len(), span.span_id.len()), (16, 8));
            seen.push(Seen {
                role: of("lastro.role"),
                trace_id: hex(&span.trace_id),
                span_id: hex(&span.span_id),
                parent_id: hex(&span.parent_span_id),
                name: span.name,
                kind: span.kind,
                start_ns: span.start_time_unix_nano,
                end_ns: span.end_time_unix_nano,
                is_failed: span.status.is_some_and(|status| status.code == 2),
                attributes: text(&span.attributes),
            });
        }
    }
    seen
}

impl Collector {
    pub(super) fn start(behaviour: Behaviour) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), behaviour)
    }

    pub(super) fn start_at(address: SocketAddr, behaviour: Behaviour) -> Self {
        Self::serve(Server::builder(), "http", address, behaviour)
    }

    pub(super) fn start_encrypted(certificate: &Certificate, behaviour: Behaviour) -> Self {
        let identity = Identity::from_pem(&certificate.pem, &certificate.key);
        let tls = ServerTlsConfig::new().identity(identity);
        let server = Server::builder().tls_config(tls).unwrap();
        Self::serve(server, "https", "127.0.0.1:0".parse().unwrap(), behaviour)
    }

    fn serve(mut server: Server, scheme: &str, address: SocketAddr, behaviour: Behaviour) -> Self {
        let listener = std::net::TcpListener::bind(address).unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let service = TraceServiceServer::new(Service {
            behaviour,
            seen: Arc::clone(&seen),
        });
        let serving = server.add_service(service);
        // A test waits for its processes without giving way: the collector has a thread of its own.
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let serving = async {
                let listener = TcpListener::from_std(listener).unwrap();
                serving
                    .serve_with_incoming(TcpIncoming::from(listener))
                    .await
            };
            runtime.unwrap().block_on(serving).unwrap();
        });
        Self {
            url: format!("{scheme}://{address}"),
            seen,
        }
    }

    /// The spans that have come.
    pub(super) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().clone()
    }

    /// Waits until what has come is enough.
    #[track_caller]
    pub(super) fn wait_for(&self, patience: Duration, is_enough: impl Fn(&[Seen]) -> bool) {
        let bound = Instant::now() + patience;
        while !is_enough(&self.seen()) {
            assert!(
                Instant::now() < bound,
                "spans are missing: {:#?}",
                self.seen()
            );
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
