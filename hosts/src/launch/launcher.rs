//! [`Launcher`]: starts the agent of one host, as often as the pool asks for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use procession_pool::hosts::{HostLauncher, LaunchedAgent};

use crate::launch::command_line::command_line;
use crate::launch::conversation::{Conversation, open_door};
use crate::launch::launcher_process::LauncherProcess;
use crate::launch::method::Method;
use crate::link::cancel::Cancel;
use crate::link::key::Key;
use crate::spec::host_spec::HostSpec;
use crate::stage::executable::{Content, Executable, own_path};
use crate::stage::script;

/// What all launchers of one list have in common.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) method: Method,
    pub(crate) executable: Executable,
    /// The user's own, for the launcher.
    pub(crate) arguments: Vec<String>,
    /// Whether agents talk through the launcher and open no connection of their own.
    pub(crate) is_tunnelled: bool,
    pub(crate) timeout: Duration,
    /// The end of the pool.
    pub(crate) cancel: Cancel,
}

/// One host of a list.
#[derive(Debug)]
pub(crate) struct Launcher {
    pub(crate) spec: HostSpec,
    pub(crate) plan: Arc<Plan>,
}

impl HostLauncher for Launcher {
    fn name(&self) -> &str {
        &self.spec.host
    }

    fn workers(&self) -> Option<usize> {
        self.spec.workers.map(usize::from)
    }

    fn launch(&mut self) -> Result<LaunchedAgent, String> {
        let plan = &*self.plan;
        let deadline = Instant::now() + plan.timeout;
        // A key of its own for each launch: no host can speak as another.
        let key = Key::random().map_err(|error| error.to_string())?;
        let content = plan.content()?;
        let script = plan.script(content.as_ref())?;
        let words = command_line(&plan.method, &self.spec, &plan.arguments, &script);
        let mut process = LauncherProcess::start(&words, &plan.cancel)?;
        let mut conversation = Conversation { process: &mut process, key: key.clone(), cancel: &plan.cancel, deadline };
        conversation.stage(content)?;
        let door = if plan.is_tunnelled { None } else { Some(open_door(key)) };
        let door = door.transpose().map_err(|error| format!("cannot listen for the agent: {error}"))?;
        let link = conversation.invite(self.spec.address(), door)?;
        process.stderr().forward_as(&self.spec.host);
        Ok(LaunchedAgent::new(link, Box::new(process)))
    }
}

impl Plan {
    /// The executable's content, where it may have to be sent.
    fn content(&self) -> Result<Option<Content>, String> {
        let is_staged = self.executable == Executable::Stage;
        let content = is_staged.then(Content::open).transpose();
        content.map_err(|error| format!("cannot read this program's executable: {error}"))
    }

    fn script(&self, content: Option<&Content>) -> Result<String, String> {
        let directory = std::env::current_dir().ok().and_then(|path| path.into_os_string().into_string().ok());
        let directory = directory.as_deref();
        match (content, &self.executable) {
            (Some(Content { hash, bytes, .. }), _) => Ok(script::stage(hash, *bytes, directory)),
            (None, Executable::At(path)) => {
                let path = path.to_str().ok_or_else(|| format!("the path {} is not UTF-8", path.display()))?;
                Ok(script::run(path, directory))
            }
            (None, _) => {
                let path = own_path().map_err(|error| {
                    format!("cannot find this program's executable: {error}; use `Executable::Stage`")
                })?;
                Ok(script::run(&path, directory))
            }
        }
    }
}
