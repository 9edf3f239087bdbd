//! The codes of refusals and of other problems.

use crate::words::words;

words! {
    /// What went wrong, for programs. Codes are stable for good; `docs/errors.md` and `GET /docs/errors` of a running
    /// server explain each. A code of a newer server is [`Code::Other`]: treat it as its status says.
    Code {
        RequestMalformed = "request_malformed",
        HostInvalid = "host_invalid",
        HostNotServed = "host_not_served",
        CrossSiteRequest = "cross_site_request",
        RouteNotFound = "route_not_found",
        MethodNotAllowed = "method_not_allowed",
        UriTooLong = "uri_too_long",
        HeadersTooLarge = "headers_too_large",
        PathInvalid = "path_invalid",
        QueryInvalid = "query_invalid",
        LimitInvalid = "limit_invalid",
        CursorInvalid = "cursor_invalid",
        PositionInvalid = "position_invalid",
        ContentTypeUnsupported = "content_type_unsupported",
        ContentEncodingUnsupported = "content_encoding_unsupported",
        BodyTooLarge = "body_too_large",
        BodyIncomplete = "body_incomplete",
        RequestTimeout = "request_timeout",
        JsonInvalid = "json_invalid",
        IdMissing = "id_missing",
        IdInvalid = "id_invalid",
        IdempotencyKeyInvalid = "idempotency_key_invalid",
        IdempotencyKeyConflict = "idempotency_key_conflict",
        AccountIdInvalid = "account_id_invalid",
        CurrencyInvalid = "currency_invalid",
        ReferenceInvalid = "reference_invalid",
        MetadataInvalid = "metadata_invalid",
        TimeoutOutOfRange = "timeout_out_of_range",
        TimeInvalid = "time_invalid",
        /// A time zone that the tz database does not have.
        TimeZoneInvalid = "time_zone_invalid",
        ChangeMissing = "change_missing",
        FrozenInvalid = "frozen_invalid",
        ClosedInvalid = "closed_invalid",
        TransferOfOtherAccounts = "transfer_of_other_accounts",
        BatchEmpty = "batch_empty",
        BatchTooLarge = "batch_too_large",
        BatchIdUnexpected = "batch_id_unexpected",
        Unauthenticated = "unauthenticated",
        SignatureInvalid = "signature_invalid",
        ScopeMissing = "scope_missing",
        AccountNotAllowed = "account_not_allowed",
        RateLimited = "rate_limited",
        ExistsWithDifferentKind = "exists_with_different_kind",
        ExistsWithDifferentCurrency = "exists_with_different_currency",
        ExistsWithDifferentCreditLimit = "exists_with_different_credit_limit",
        ExistsWithDifferentDebitAccountId = "exists_with_different_debit_account_id",
        ExistsWithDifferentCreditAccountId = "exists_with_different_credit_account_id",
        ExistsWithDifferentAmount = "exists_with_different_amount",
        ExistsWithDifferentDescription = "exists_with_different_description",
        ExistsWithDifferentReference = "exists_with_different_reference",
        ExistsWithDifferentMetadata = "exists_with_different_metadata",
        ExistsWithDifferentReverses = "exists_with_different_reverses",
        ExistsWithDifferentFinal = "exists_with_different_final",
        ExistsWithDifferentTimeoutS = "exists_with_different_timeout_s",
        ExistsWithDifferentPendingId = "exists_with_different_pending_id",
        ExistsWithDifferentAccountId = "exists_with_different_account_id",
        ExistsWithDifferentMembers = "exists_with_different_members",
        AccountNotFound = "account_not_found",
        TransferNotFound = "transfer_not_found",
        BatchNotFound = "batch_not_found",
        PendingNotFound = "pending_not_found",
        PaymentNotFound = "payment_not_found",
        OperationNotFound = "operation_not_found",
        OperationsNotServed = "operations_not_served",
        WebhookNotFound = "webhook_not_found",
        WebhookStopped = "webhook_stopped",
        WebhookOnOtherNode = "webhook_on_other_node",
        InsufficientFunds = "insufficient_funds",
        AccountClosed = "account_closed",
        AccountFrozen = "account_frozen",
        AccountInUse = "account_in_use",
        AccountReserved = "account_reserved",
        AccountInOtherState = "account_in_other_state",
        CurrencyMismatch = "currency_mismatch",
        CurrencyNotCurrent = "currency_not_current",
        AccountsMustDiffer = "accounts_must_differ",
        AmountOutOfRange = "amount_out_of_range",
        DescriptionInvalid = "description_invalid",
        BalanceOverflow = "balance_overflow",
        PendingAlreadyPosted = "pending_already_posted",
        PendingAlreadyVoided = "pending_already_voided",
        PendingExpired = "pending_expired",
        AmountExceedsPending = "amount_exceeds_pending",
        TransferNotReversible = "transfer_not_reversible",
        AmountExceedsReversible = "amount_exceeds_reversible",
        BatchMemberFailed = "batch_member_failed",
        PaymentInOtherState = "payment_in_other_state",
        PaymentUnderWay = "payment_under_way",
        PaymentsInOtherState = "payments_in_other_state",
        Overloaded = "overloaded",
        TooManyConnections = "too_many_connections",
        Opening = "opening",
        Timeout = "timeout",
        LedgerUnavailable = "ledger_unavailable",
        StorageFull = "storage_full",
        StorageFailed = "storage_failed",
        StorageDamaged = "storage_damaged",
        ClockJumped = "clock_jumped",
        StandbyAway = "standby_away",
        NotSupported = "not_supported",
        NoProcessor = "no_processor",
        NodeNotAllowed = "node_not_allowed",
        OtherLedger = "other_ledger",
        Stopped = "stopped",
        InternalError = "internal_error",
    }
}

#[cfg(test)]
mod tests {
    use super::Code;

    /// The closed list of the server, from its OpenAPI document.
    #[test]
    fn every_code_of_the_server_is_known() {
        let document = include_str!("../../../docs/openapi.json");
        let document: serde_json::Value = serde_json::from_str(document).unwrap();
        let listed = &document["components"]["schemas"]["ProblemCode"]["enum"];
        let listed: Vec<String> = serde_json::from_value(listed.clone()).unwrap();
        let known: Vec<&str> = Code::KNOWN.iter().map(Code::as_str).collect();
        assert_eq!(known, listed);
        for code in listed {
            assert!(Code::KNOWN.contains(&Code::from(code)));
        }
        assert_eq!(
            Code::from("newer".to_owned()),
            Code::Other("newer".to_owned())
        );
    }
}
