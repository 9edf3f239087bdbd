//! The operations of a document.

use utoipa::openapi::OpenApi;
use utoipa::openapi::path::Operation;

/// Each operation with its path.
pub(super) fn operations_of(
    document: &mut OpenApi,
) -> impl Iterator<Item = (&str, &mut Operation)> {
    document.paths.paths.iter_mut().flat_map(|(path, item)| {
        let operations = [
            &mut item.get,
            &mut item.put,
            &mut item.post,
            &mut item.delete,
            &mut item.patch,
        ];
        let operations = operations.into_iter().flatten();
        operations.map(move |operation| (path.as_str(), operation))
    })
}
