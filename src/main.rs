//! `lcnode`: a storage node that speaks the Tokyo Tyrant protocol.

pub mod config;
pub mod logging;
pub mod process;

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

use config::Config;
use logging::Logging;
use process::daemon::{self, Ready, Role};
use process::{limits, pid_file::PidFile};

fn main() -> ExitCode {
    let config = match Config::from_args(std::env::args_os()) {
        Ok(config) => config,
        Err(error) if error.is_answer() => {
            let printed = writeln!(std::io::stdout(), "{error}");
            return ExitCode::from(u8::from(printed.is_err()));
        }
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(error.exit_status());
        }
    };
    let served = daemon::detach_if_asked(&config).map_err(Into::into).and_then(|role| match role {
        Role::Server(ready) => serve(&config, ready),
        Role::Launcher => Ok(()),
    });
    match served {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error}");
            eprintln!("{}: {error}", config.identity.program());
            ExitCode::FAILURE
        }
    }
}

fn serve(config: &Config, ready: Ready) -> Result<(), Box<dyn Error>> {
    let logging = Logging::install(&config.log_target, config.verbosity)?;
    system!("--------- logging started [{}] --------", std::process::id());
    let _pid_file =
        config.pid_file.as_deref().map(|path| PidFile::claim(path, config.replace_running)).transpose()?;
    system!("maximum connection: {}", limits::raise_open_files()?);
    for sentence in &config.inert {
        tracing::error!("{sentence}");
    }
    for note in &config.notes {
        tracing::warn!("{note}");
    }
    tracing::info!("{config:?}");
    ready.signal()?;
    std::thread::sleep(std::time::Duration::from_secs(3));
    logging.reopen()?;
    Ok(())
}
