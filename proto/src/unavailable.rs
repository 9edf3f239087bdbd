//! Why a call failed: the ledger's own reasons as gRPC statuses, and back.

use ledger::Unavailable;

/// The trailer that carries the ledger's own code.
pub const CODE_TRAILER: &str = "lastro-code";

/// The code of a call that was refused because its caller sends too many: nothing was done, as where the
/// ledger has too much to do.
const RATE_LIMITED: &[u8] = b"rate_limited";

/// The codes of a call that was refused because its caller's key may not give one of its commands, or read
/// what it asks for: nothing was done.
const NOT_ALLOWED: [&[u8]; 4] = [
    b"scope_missing",
    b"account_not_allowed",
    b"pending_not_found",
    b"transfer_not_reversible",
];

/// The statuses of gRPC that are used here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum GrpcCode {
    /// `OK`
    Ok = 0,
    /// `CANCELLED`
    Cancelled = 1,
    /// `INVALID_ARGUMENT`
    InvalidArgument = 3,
    /// `DEADLINE_EXCEEDED`
    DeadlineExceeded = 4,
    /// `PERMISSION_DENIED`
    PermissionDenied = 7,
    /// `RESOURCE_EXHAUSTED`
    ResourceExhausted = 8,
    /// `FAILED_PRECONDITION`
    FailedPrecondition = 9,
    /// `UNIMPLEMENTED`
    Unimplemented = 12,
    /// `INTERNAL`
    Internal = 13,
    /// `UNAVAILABLE`
    Unavailable = 14,
    /// `DATA_LOSS`
    DataLoss = 15,
    /// `UNAUTHENTICATED`
    Unauthenticated = 16,
}

impl GrpcCode {
    /// The number, as the header `grpc-status` has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "0",
            Self::Cancelled => "1",
            Self::InvalidArgument => "3",
            Self::DeadlineExceeded => "4",
            Self::PermissionDenied => "7",
            Self::ResourceExhausted => "8",
            Self::FailedPrecondition => "9",
            Self::Unimplemented => "12",
            Self::Internal => "13",
            Self::Unavailable => "14",
            Self::DataLoss => "15",
            Self::Unauthenticated => "16",
        }
    }

    /// The status's name, as the metrics spell it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Cancelled => "CANCELLED",
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::PermissionDenied => "PERMISSION_DENIED",
            Self::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Self::FailedPrecondition => "FAILED_PRECONDITION",
            Self::Unimplemented => "UNIMPLEMENTED",
            Self::Internal => "INTERNAL",
            Self::Unavailable => "UNAVAILABLE",
            Self::DataLoss => "DATA_LOSS",
            Self::Unauthenticated => "UNAUTHENTICATED",
        }
    }
}

/// The ledger's reasons with their statuses.
const STATUSES: [(Unavailable, GrpcCode); 11] = [
    (Unavailable::Overloaded, GrpcCode::ResourceExhausted),
    (Unavailable::StorageFull, GrpcCode::ResourceExhausted),
    (Unavailable::ClockJumped, GrpcCode::FailedPrecondition),
    (Unavailable::StandbyAway, GrpcCode::Unavailable),
    (Unavailable::Timeout, GrpcCode::DeadlineExceeded),
    (Unavailable::StorageFailed, GrpcCode::Internal),
    (Unavailable::LedgerUnavailable, GrpcCode::Unavailable),
    (Unavailable::Opening, GrpcCode::Unavailable),
    (Unavailable::StorageDamaged, GrpcCode::DataLoss),
    (Unavailable::NotSupported, GrpcCode::Unimplemented),
    (Unavailable::NodeNotAllowed, GrpcCode::PermissionDenied),
];

impl From<Unavailable> for GrpcCode {
    fn from(unavailable: Unavailable) -> Self {
        let found = STATUSES.iter().find(|(reason, _)| *reason == unavailable);
        found.map_or(Self::Internal, |(_, code)| *code)
    }
}

/// What a failed call says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallFailure {
    /// The ledger's own reason.
    Ledger(Unavailable),
    /// Only a status: of the server, a proxy or the transport.
    Status(u16),
}

impl CallFailure {
    /// What the headers `lastro-code` and `grpc-status` say; `None` when the call did not fail.
    #[must_use]
    pub fn read(ledger_code: Option<&[u8]>, grpc_status: Option<&[u8]>) -> Option<Self> {
        let known = |code: &[u8]| {
            if code == RATE_LIMITED {
                return Some(Unavailable::Overloaded);
            }
            if NOT_ALLOWED.contains(&code) {
                return Some(Unavailable::NodeNotAllowed);
            }
            let found = STATUSES
                .iter()
                .find(|(reason, _)| reason.code().as_bytes() == code);
            found.map(|(reason, _)| *reason)
        };
        let status = grpc_status
            .and_then(|status| std::str::from_utf8(status).ok())
            .and_then(|status| status.parse().ok());
        match (status, ledger_code.and_then(known)) {
            (Some(0), _) => None,
            (_, Some(reason)) => Some(Self::Ledger(reason)),
            // An answer without a status broke off.
            (status, None) => Some(Self::Status(status.unwrap_or(2))),
        }
    }

    /// What the caller is told. Only the ledger itself knows that nothing was done.
    #[must_use]
    pub const fn unavailable(self) -> Unavailable {
        match self {
            Self::Ledger(reason) => reason,
            Self::Status(4) => Unavailable::Timeout,
            Self::Status(_) => Unavailable::LedgerUnavailable,
        }
    }
}
