//! The codes, each with its statuses, its meaning, what was done and what to do.

use super::entry::{Entry, Group, nothing, other_content, unknown};
use super::refusals::REFUSALS;

pub(crate) const GROUPS: [Group; 7] = [
    Group {
        title: "The request",
        about: "The request cannot be read, or its form is wrong. It can be corrected and sent again, with the same id too. \
                The routes of the 2024 challenge answer 422 to every invalid body, with the same codes.",
        entries: REQUEST,
    },
    Group {
        title: "Keys",
        about: "Only where the server asks for keys.",
        entries: KEYS,
    },
    Group {
        title: "Used ids",
        about: "An id stands for one command for good. It was used before with other content; `field` names the first field \
                that differs.",
        entries: USED_IDS,
    },
    Group {
        title: "Not found",
        about: "What the request names does not exist.",
        entries: NOT_FOUND,
    },
    Group {
        title: "Webhooks",
        about: "About an endpoint that events are sent to.",
        entries: WEBHOOKS,
    },
    Group {
        title: "Refusals",
        about: "The ledger decided against the command. If the command has an id, the refusal is remembered under it: the same \
                id gets the same refusal again, so a corrected command needs a new id.",
        entries: REFUSALS,
    },
    Group {
        title: "No answer",
        about: "The server or the ledger did not answer. `nothing_done` in the body is whether it is certain that nothing was done; \
                `Retry-After` is when it is worth asking again. A command with an id can always be sent again: it is never \
                applied twice.",
        entries: NO_ANSWER,
    },
];

const REQUEST: &[Entry] = &[
    nothing(
        "request_malformed",
        &[400],
        "The head of the request is not valid HTTP.",
        "Use an HTTP client, and look at what stands between it and the server.",
    ),
    nothing(
        "host_invalid",
        &[400],
        "A request of HTTP/1.1 has no `Host` header, or more than one.",
        "Send exactly one.",
    ),
    nothing(
        "host_not_served",
        &[421],
        "The request names a host that this server does not answer for.",
        "Use an address or `localhost`, or start the server with `--host NAME`.",
    ),
    nothing(
        "cross_site_request",
        &[403],
        "A browser sent this request from a page of another site.",
        "Send requests that change something from pages of the same site, or from a program.",
    ),
    nothing(
        "route_not_found",
        &[404],
        "No route has this path.",
        "Look the path up under `/docs`.",
    ),
    nothing(
        "method_not_allowed",
        &[405],
        "The path does not support this method.",
        "Use one that the `Allow` header lists.",
    ),
    nothing(
        "uri_too_long",
        &[414],
        "Path and query are too long.",
        "Shorten them.",
    ),
    nothing(
        "headers_too_large",
        &[431],
        "The headers are too many or too long.",
        "Send fewer headers.",
    ),
    nothing(
        "path_invalid",
        &[400],
        "The path is not valid UTF-8 with valid percent-encoding.",
        "Encode it as a URL needs it.",
    ),
    nothing(
        "query_invalid",
        &[400],
        "The query has a parameter that the route does not take, or one twice; `detail` names what it takes.",
        "Correct the query.",
    ),
    nothing(
        "limit_invalid",
        &[400],
        "`limit` is not a number in the range that `detail` names.",
        "Correct it, or leave it out.",
    ),
    nothing(
        "cursor_invalid",
        &[400],
        "The cursor does not belong to this list.",
        "Use the `next_cursor` of the list's previous page, or begin without a cursor.",
    ),
    nothing(
        "position_invalid",
        &[400],
        "The position does not belong to the events of this ledger, or of this copy of it.",
        "Use a `position` or `next` that this ledger gave, or begin without `after`.",
    ),
    nothing(
        "content_type_unsupported",
        &[415],
        "The body is not declared as JSON.",
        "Send `Content-Type: application/json`.",
    ),
    nothing(
        "content_encoding_unsupported",
        &[415],
        "The body is compressed.",
        "Send it without a `Content-Encoding`.",
    ),
    nothing(
        "body_too_large",
        &[413],
        "The body has more bytes than the route takes; `detail` names how many it takes.",
        "Send less at once.",
    ),
    nothing(
        "body_incomplete",
        &[400],
        "The body ended early or its framing is invalid.",
        "Send the request again.",
    ),
    nothing(
        "request_timeout",
        &[408],
        "The request did not arrive in time.",
        "Send it again, faster.",
    ),
    nothing(
        "json_invalid",
        &[400],
        "The body is not the JSON that the route takes: a syntax error, a field that is missing, unknown or there twice, or one \
         of another type. `detail` names it.",
        "Correct the body.",
    ),
    nothing(
        "id_missing",
        &[400],
        "The command has no id.",
        "Add an `id`, or the header `Idempotency-Key`: with either the request can safely be repeated.",
    ),
    nothing(
        "id_invalid",
        &[400],
        "An id is not a hyphenated UUID; `field` names it.",
        "Use a UUID, preferably of version 7.",
    ),
    nothing(
        "idempotency_key_invalid",
        &[400],
        "`Idempotency-Key` is there twice, or does not have 1 to 255 visible ASCII characters.",
        "Send one such key.",
    ),
    nothing(
        "idempotency_key_conflict",
        &[400],
        "The body's id and the `Idempotency-Key` differ.",
        "Send one of the two.",
    ),
    nothing(
        "account_id_invalid",
        &[400],
        "An account id does not have 1 to 64 characters of `A-Z a-z 0-9 _ . : -`, or is `.` or `..`; `field` names it.",
        "Correct it.",
    ),
    nothing(
        "currency_invalid",
        &[400],
        "The currency is not an ISO 4217 code in capitals.",
        "Send one such as `BRL`.",
    ),
    nothing(
        "reference_invalid",
        &[400],
        "The reference does not have 1 to 128 characters without control characters.",
        "Correct it, or leave it out.",
    ),
    nothing(
        "metadata_invalid",
        &[400],
        "The metadata is too large, or has an invalid name or text.",
        "Correct it as `detail` says.",
    ),
    nothing(
        "timeout_out_of_range",
        &[422],
        "`timeout_s` is not a number of seconds from 0 to 4294967295.",
        "Correct it.",
    ),
    nothing(
        "time_invalid",
        &[400],
        "A time is not an RFC 3339 time with an offset; `field` names it.",
        "Send one such as `2026-01-31T23:59:59.5Z`.",
    ),
    nothing(
        "time_zone_invalid",
        &[400],
        "`tz` is not the name of a time zone.",
        "Send a name of the tz database, such as `America/Sao_Paulo`, or `UTC`.",
    ),
    nothing(
        "change_missing",
        &[400],
        "The request does not name what to change of the account.",
        "Send at least one of `credit_limit`, `frozen` and `closed`.",
    ),
    nothing(
        "frozen_invalid",
        &[400],
        "The request names something that cannot be frozen; `field` names where.",
        "Send `none`, `debits`, `credits` or `both`.",
    ),
    nothing(
        "closed_invalid",
        &[400],
        "`closed` can only be true: a closed account stays closed.",
        "Open another account.",
    ),
    nothing(
        "transfer_of_other_accounts",
        &[422],
        "The transfer in `after` is not one of this account.",
        "Name a transfer that debits or credits the account.",
    ),
    nothing(
        "batch_empty",
        &[400],
        "The batch has no command.",
        "Send at least one.",
    ),
    nothing(
        "batch_too_large",
        &[413],
        "The batch has more than 8,190 commands.",
        "Send several batches.",
    ),
    nothing(
        "batch_id_unexpected",
        &[400],
        "A batch that is not atomic has an id or an `Idempotency-Key`.",
        "Leave it out: each command has its own id. Or send `\"atomic\": true`.",
    ),
];

const KEYS: &[Entry] = &[
    nothing(
        "unauthenticated",
        &[401],
        "The request has no key, or one that is not valid here; `detail` says which.",
        "Send a valid key as `Authorization: Bearer lastro_…`.",
    ),
    nothing(
        "signature_invalid",
        &[401],
        "A callback of a processor is not signed with one of the secrets of this server, or its time is more than 5 \
         minutes away.",
        "Sign it as Standard Webhooks say, with the secret that is in `callback_secret_files`, and check both clocks.",
    ),
    nothing(
        "scope_missing",
        &[403],
        "The key does not have the scope that the command needs; `scope` names it.",
        "Use a key with this scope.",
    ),
    nothing(
        "account_not_allowed",
        &[403],
        "The key may not use the account, or what was asked for is about accounts that it may not use.",
        "Use a key for this account.",
    ),
    nothing(
        "rate_limited",
        &[429],
        "The key has used up its rate, or too many requests without a valid key came from this address.",
        "Wait as long as `Retry-After` says, and send fewer.",
    ),
];

const USED_IDS: &[Entry] = &[
    other_content(
        "exists_with_different_kind",
        "The id belongs to a command of another kind.",
    ),
    other_content(
        "exists_with_different_currency",
        "The account exists in another currency.",
    ),
    other_content(
        "exists_with_different_credit_limit",
        "The account was opened with another credit limit.",
    ),
    other_content(
        "exists_with_different_debit_account_id",
        "The first command with this id debits another account.",
    ),
    other_content(
        "exists_with_different_credit_account_id",
        "The first command with this id credits another account.",
    ),
    other_content(
        "exists_with_different_amount",
        "The first command with this id has another amount.",
    ),
    other_content(
        "exists_with_different_description",
        "The first command with this id has another description.",
    ),
    other_content(
        "exists_with_different_reference",
        "The first command with this id has another reference.",
    ),
    other_content(
        "exists_with_different_metadata",
        "The first command with this id has other metadata.",
    ),
    other_content(
        "exists_with_different_reverses",
        "The first command with this id reverses another transfer.",
    ),
    other_content(
        "exists_with_different_final",
        "The first command with this id is a post that ends the pending transfer, or one that keeps the rest \
         reserved, and this one is the other.",
    ),
    other_content(
        "exists_with_different_timeout_s",
        "The first command with this id has another timeout.",
    ),
    other_content(
        "exists_with_different_pending_id",
        "The first command with this id is about another pending transfer.",
    ),
    other_content(
        "exists_with_different_account_id",
        "The first command with this id is about another account.",
    ),
    other_content(
        "exists_with_different_members",
        "The first batch with this id has other commands.",
    ),
];

const NOT_FOUND: &[Entry] = &[
    nothing(
        "account_not_found",
        &[404],
        "The account does not exist; `account_id` names it.",
        "Correct the id, or open the account and send the command with a new id.",
    ),
    nothing(
        "transfer_not_found",
        &[404],
        "No transfer has this id. `refused` is the code of the refusal if a refused command has it.",
        "Correct the id, or send the transfer.",
    ),
    nothing(
        "batch_not_found",
        &[404],
        "No atomic batch has this id. Other batches have none.",
        "Correct the id, or send the batch.",
    ),
    nothing(
        "pending_not_found",
        &[404],
        "No pending transfer has this id.",
        "Correct `pending_id`, and send the command with a new id.",
    ),
    nothing(
        "payment_not_found",
        &[404],
        "No payment has this id. `refused` is the code of the refusal if a refused command has it.",
        "Correct the id.",
    ),
    nothing(
        "operation_not_found",
        &[404],
        "Neither this node nor the ledger knows an operation of this id.",
        "Ask the node that accepted it: until it is applied, no other node knows it.",
    ),
    nothing(
        "operations_not_served",
        &[404],
        "This node does not accept operations.",
        "Use `POST /v1/transfers`, which is applied at once.",
    ),
];

const WEBHOOKS: &[Entry] = &[
    nothing(
        "webhook_not_found",
        &[404],
        "No endpoint has this name.",
        "Look the names up with `GET /v1/webhooks`.",
    ),
    nothing(
        "webhook_stopped",
        &[409],
        "The endpoint is stopped, or disabled by the configuration; `detail` says why.",
        "Mend what it names, or choose where the endpoint goes on with `POST /v1/webhooks/{name}/replay`.",
    ),
    nothing(
        "webhook_on_other_node",
        &[409],
        "Several nodes share the ledger, and another one sends to this endpoint; `node` is its name.",
        "Send the request to that node. When it stops, another node takes the endpoint over within 10 s.",
    ),
];

const NO_ANSWER: &[Entry] = &[
    nothing(
        "overloaded",
        &[503],
        "Too many requests are waiting.",
        "Send it again after `Retry-After`, and fewer at once.",
    ),
    nothing(
        "too_many_connections",
        &[503],
        "Too many connections are open.",
        "Keep connections and use them again.",
    ),
    nothing(
        "opening",
        &[503],
        "The server is opening its ledger.",
        "Wait; `/readyz` shows how far it is.",
    ),
    unknown(
        "timeout",
        &[504],
        "The deadline passed before the ledger answered.",
        "Send it again with the same id.",
    ),
    unknown(
        "ledger_unavailable",
        &[503],
        "The ledger cannot be reached, or it is stopping.",
        "Send it again with the same id.",
    ),
    nothing(
        "storage_full",
        &[503],
        "There is no space to write to. Reads go on.",
        "Tell the operator, who has to make space. Then send it again.",
    ),
    unknown(
        "storage_failed",
        &[503],
        "A write to the storage failed, and nothing more is written.",
        "Tell the operator, who has to look at the storage and start the server again. Then send it again with the same id.",
    ),
    nothing(
        "storage_damaged",
        &[500, 503],
        "A record that was to be read is damaged.",
        "Tell the operator: `lastro verify` shows what is damaged.",
    ),
    nothing(
        "clock_jumped",
        &[503],
        "The ledger's clock jumped forward, and nobody has accepted that yet. Reads go on.",
        "Tell the operator, who has to correct the clock or accept its time. Then send it again.",
    ),
    nothing(
        "standby_away",
        &[503],
        "The database has no standby that keeps a copy of a write. Reads go on.",
        "Tell the operator, who has to bring the standby back. Then send it again.",
    ),
    nothing(
        "not_supported",
        &[501],
        "The engine of this ledger does not support this.",
        "Use another route, or another engine.",
    ),
    nothing(
        "no_processor",
        &[503],
        "This ledger has no payment processor, or none that is paid in the payment's currency.",
        "Start the server with `--processor`; `currency` of `[payments]` in its file is what processors are paid in.",
    ),
    nothing(
        "node_not_allowed",
        &[503],
        "The node's own key may not do this at its ledger node.",
        "Tell the operator of the node, who has to give it another key.",
    ),
    nothing(
        "other_ledger",
        &[503],
        "The node is ready for another ledger than the one that it meets; only `/readyz` answers this.",
        "Tell the operator: the node and its ledger do not belong together.",
    ),
    nothing(
        "stopped",
        &[503],
        "The node no longer accepts operations, because it is stopping; only `/readyz` answers this.",
        "Send requests to another node.",
    ),
    unknown(
        "internal_error",
        &[500],
        "The server has an error of its own; its log has the cause under the `request_id`.",
        "Tell the operator. A command with an id can be sent again.",
    ),
];
