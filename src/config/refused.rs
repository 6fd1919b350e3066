//! Options of ttserver that can mean nothing here.

use super::ConfigError;
use super::args::RefusedArgs;

/// Refuses the options under every name, because a node that ignored them would serve another database than the
/// one that was asked for.
pub(super) fn check(args: &RefusedArgs) -> Result<(), ConfigError> {
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
    Ok(())
}
