//! What a processor reports of a payment by itself.

use axum::extract::Request;
use axum::http::StatusCode;
use axum::response::IntoResponse;

use super::path::payment_in_path;
use crate::call::{Answered, Call};
use crate::peer::Peer;

/// Takes a callback of the payment's processor: the processor is asked for the payment at once, and what it answers then
/// decides. The body is signed as a whole, and otherwise not looked at. It needs no key: the signature shows who sent it.
#[utoipa::path(
    post, path = "/v1/payments/{id}/callback", tag = "payments",
    params(
        ("id" = String, Path, description = "The payment's id"),
        ("webhook-id" = String, Header, description = "The message's own id"),
        ("webhook-timestamp" = u64, Header, description = "When it was sent, in seconds since 1970, at most 5 minutes ago"),
        ("webhook-signature" = String, Header, description = "`v1,` and the HMAC-SHA256 of `id.timestamp.body` in \
            base64, with a secret of the processor's `callback_secret_files`; several with spaces between"),
    ),
    responses(
        (status = 204, description = "The processor is asked, if it has the payment"),
        (status = 400, description = "`id_invalid`, `path_invalid`"),
        (status = 401, description = "`signature_invalid`"),
        (status = 429, description = "`rate_limited`: too many without a valid signature"),
        (status = 501, description = "`not_supported`: no processor of this server sends callbacks"),
        (status = 503, description = "`overloaded`: send it again"),
    )
)]
pub(crate) async fn payment_called_back(call: Call, request: Request) -> Answered {
    let peer = Peer::of(request.extensions());
    let (parts, body) = request.into_parts();
    let callbacks = call.callbacks()?;
    let id = payment_in_path(parts.uri.path())?;
    // Who has not even signed is sent away before anything is read of the body.
    callbacks.check_head(&parts.headers, call.now(), peer)?;
    let body = call.callback_body(body).await?;
    callbacks.take(id, &parts.headers, &body, call.now(), peer)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
