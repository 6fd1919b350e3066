//! Options of ttserver that do nothing yet: refused, or accepted and confessed.
//!
//! Whoever names a script must not believe that the node runs it. So under its own name
//! the program refuses it. Under the name `ttserver` it must start with the command lines that existing
//! managers write; there each option becomes a sentence that is logged as an error.

use super::args::UnbuiltArgs;
use super::{ConfigError, Identity};

/// Checks the options that do nothing yet and gives a sentence for each group that was used.
///
/// Errors: any of them under the name `lcnode`; `-skel` and `-mul` under every name, because a node that
/// ignored them would serve another database than the one that was asked for.
pub(super) fn check(args: &UnbuiltArgs, identity: Identity) -> Result<Vec<String>, ConfigError> {
    if args.skel.is_some() {
        return Err(ConfigError::Unsupported(
            "-skel: engines in shared objects of the original server cannot be loaded; \
             leave the option out and name a database ending in .tch"
                .to_owned(),
        ));
    }
    if args.mul.is_some() {
        return Err(ConfigError::Unsupported(
            "-mul: a database spread over several files is not supported; \
             leave the option out, one database here grows without it"
                .to_owned(),
        ));
    }
    let inert = sentences(args);
    if identity == Identity::Lcnode && !inert.is_empty() {
        return Err(ConfigError::Unsupported(format!(
            "{}. Leave the options out to start",
            inert.join(". ")
        )));
    }
    Ok(inert)
}

fn sentences(args: &UnbuiltArgs) -> Vec<String> {
    let options = [("-ext", args.ext.is_some()), ("-extpc", args.extpc.is_some())];
    let given: Vec<&str> = options.iter().filter(|(_, given)| *given).map(|(name, _)| *name).collect();
    match given.is_empty() {
        true => Vec::new(),
        false => {
            vec![format!("{}: scripts are not built yet; calls of their functions fail", given.join("/"))]
        }
    }
}
