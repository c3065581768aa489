//! `--store` and `--store-token`: the additional stores and the tokens that are sent to them.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use secure_runtime_loaders::store::BearerToken;

use super::failure::Failure;
use super::{project, secrets, text};
use secure_runtime::StorePlace;

/// The tokens for the stores that a command uses.
#[derive(Debug, Default, clap::Args)]
pub(super) struct StoreTokens {
    /// The file of the token that a store requires (- is standard input); with several store addresses, prefixed with
    /// the address: URL=FILE (repeatable)
    #[arg(long, value_name = "FILE or URL=FILE")]
    store_token: Vec<OsString>,
}

impl StoreTokens {
    /// Returns these stores, each with its own token. A token is never sent to a store that it was not given for.
    pub(super) fn of(&self, stores: &[OsString]) -> Result<Vec<StorePlace>, Failure> {
        let mut places: Vec<StorePlace> = stores.iter().map(|place| place.as_os_str().into()).collect();
        for given in &self.store_token {
            let (place, file) = addressed(&mut places, given)?;
            if place.token.is_some() {
                let what = format!(
                    "--store-token: {} has two tokens",
                    text::one_line(&place.place.to_string_lossy())
                );
                return Err(Failure::usage(what).help("give each store one"));
            }
            let secret = project::read_text(file.as_ref(), "the token")?;
            let token = BearerToken::new(&secret).map_err(|error| {
                Failure::usage(format!(
                    "the token {}: {error}",
                    secrets::shown_path(file.as_ref())
                ))
                .help("give the file that `secure-runtime token mint --out FILE` wrote")
            })?;
            place.token = Some(token);
        }
        Ok(places)
    }
}

/// Returns the store that a token is for, and the file of the token.
fn addressed<'a, 'b>(
    places: &'a mut [StorePlace],
    given: &'b OsStr,
) -> Result<(&'a mut StorePlace, &'b OsStr), Failure> {
    let mut addresses: Vec<&mut StorePlace> = places
        .iter_mut()
        .filter(|place| place.address().is_some())
        .collect();
    let named = |place: &StorePlace| {
        let rest = given.as_bytes().strip_prefix(place.address()?.as_bytes())?;
        rest.strip_prefix(b"=").map(OsStr::from_bytes)
    };
    if let Some((index, file)) = (0..)
        .zip(&addresses)
        .find_map(|(index, place)| Some((index, named(place)?)))
    {
        return Ok((addresses.swap_remove(index), file));
    }
    let text = given.to_string_lossy();
    if text.contains("://") {
        // The text after the address is a file name, or possibly the token itself, so it is not shown.
        let place = text.rsplit_once('=').map_or(&*text, |(place, _)| place);
        let what = format!(
            "--store-token: {} does not begin with the address of a --store",
            text::one_line(place)
        );
        return Err(Failure::usage(what).help("write URL=FILE, with the same address as after --store"));
    }
    match (addresses.pop(), addresses.is_empty()) {
        (Some(place), true) => Ok((place, given)),
        (Some(_), false) => Err(Failure::usage(
            "--store-token: there are several stores, and it does not name one of them",
        )
        .help("write URL=FILE: the token is sent to that store only")),
        (None, _) => Err(Failure::usage("--store-token: no store is given")
            .help("give the address of the store with --store, or with --to for `store add`")),
    }
}
