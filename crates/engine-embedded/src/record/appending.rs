//! A place for serialized bytes: the end of a buffer that is there already.

use postcard::ser_flavors::Flavor;

/// Serializes to the end of a buffer that is there already.
pub(super) struct Appending<'a>(pub(super) &'a mut Vec<u8>);

impl Flavor for Appending<'_> {
    type Output = ();

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}
