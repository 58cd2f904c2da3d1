//! What would have been published about a tenant that observes: made by the code that makes the messages, so that
//! the report and what is published later cannot differ.

use provisioning::Revision;

use super::message::Message;
use super::slice;
pub use super::slice::SliceError;
use crate::directory::Directory;
use crate::feed::Feed;

/// Goes through the deprovisioning messages up to `up_to`, in order, in bounded memory. Blocks; history must have
/// come that far.
pub fn deprovisioning<E: From<SliceError>>(
    directory: &Directory,
    up_to: Revision,
    mut each: impl FnMut(&Message) -> Result<(), E>,
) -> Result<(), E> {
    let mut after = Revision::ZERO;
    while after < up_to {
        let slice = slice::read(directory, Feed::Deprovisioning, after)?;
        if slice.end == after {
            break;
        }
        after = slice.end;
        slice.messages.iter().filter(|message| message.revision <= up_to).try_for_each(&mut each)?;
    }
    Ok(())
}
