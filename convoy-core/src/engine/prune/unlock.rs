//! What a prune that was killed left in the way of everybody who deletes refs.

use super::super::driver::store_error;
use super::super::git_open_error;
use super::super::host::Parts;
use super::super::launch::{end_survivors, holder};
use super::super::query::is_alive;
use crate::error::Error;
use crate::secret::Redactor;
use crate::store::StoreError;
use crate::types::ConvoyId;

/// Removes the locks of deletions of refs that were cut off, not those of somebody who is at it. What fails is told to the
/// log: whoever needs the lock fails because of it.
pub(in crate::engine) async fn unlock(parts: &Parts) {
    if let Err(error) = try_unlock(parts).await {
        let redactor = Redactor::with_values(parts.secrets.iter().cloned());
        tracing::warn!("a lock that a prune left could not be removed: {}", redactor.clean(&error.chain()));
    }
}

async fn try_unlock(parts: &Parts) -> Result<(), Error> {
    for name in parts.repository.marked_deletions().map_err(git_open_error)? {
        let Ok(convoy) = ConvoyId::new(&name) else { continue };
        // Only whoever has it deletes its refs.
        let lease = match parts.store.acquire(&convoy, holder(), &|holder| is_alive(parts, holder)).await {
            Err(StoreError::Held { .. } | StoreError::Pruned { .. } | StoreError::NoConvoy(_)) => continue,
            lease => lease.map_err(store_error)?,
        };
        let removed = async {
            end_survivors(&convoy, parts.grace).await?;
            remove_locks(parts, &convoy).await
        };
        let removed = removed.await;
        // Why it failed matters more than that the lease stays.
        drop(parts.left.release(&*parts.store, &lease).await);
        removed?;
    }
    Ok(())
}

/// Removes the locks that a git left which was killed while it deleted refs of this convoy; its programs must have ended.
/// What may be of somebody else is left, and told to the log.
pub(super) async fn remove_locks(parts: &Parts, convoy: &ConvoyId) -> Result<(), Error> {
    let left = parts.repository.remove_deletion_locks(convoy.as_str()).await.map_err(git_open_error)?;
    let redactor = Redactor::with_values(parts.secrets.iter().cloned());
    for lock in left {
        let lock = redactor.clean(&lock.display().to_string());
        tracing::warn!(
            convoy = %convoy,
            "{lock} may have been left by a prune that was killed, or another program holds it; as long as it is there \
             nobody can delete refs: if no git runs in this repository, delete that file"
        );
    }
    Ok(())
}
