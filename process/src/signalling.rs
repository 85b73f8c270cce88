//! The signals that a parent sends to a [`Child`].

use std::io;

use procession_core::os::signal;

use crate::handle::Child;

impl Child {
    /// Asks it to end (SIGTERM). Nothing happens when it has ended.
    ///
    /// Its destructors do not run, unless it handles the signal; its own children are not asked, but its daemons end with it.
    ///
    /// ```
    /// # use procession_process::Process;
    /// # procession_process::init();
    /// let process: Process<()> = Process::spawn(|()| loop { std::thread::park() }, ())?;
    /// let child = process.child();
    /// child.terminate();
    /// assert_eq!(child.wait()?.signal(), Some(15));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn terminate(&self) {
        let _gone_or_refused = self.send(signal::SIGTERM);
    }

    /// Ends it (SIGKILL). Nothing happens when it has ended.
    ///
    /// No destructor of it runs. Its daemons end with it, its other children go on.
    ///
    /// ```
    /// # use procession_process::Process;
    /// # procession_process::init();
    /// let process: Process<()> = Process::spawn(|()| loop { std::thread::park() }, ())?;
    /// let child = process.child();
    /// child.kill();
    /// assert_eq!(child.wait()?.signal(), Some(9));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn kill(&self) {
        let _gone_or_refused = self.send(signal::SIGKILL);
    }

    /// Interrupts it, as Ctrl-C would (SIGINT). Nothing happens when it has ended.
    ///
    /// Where it does not handle the signal, that ends it. Its children are not interrupted: only the terminal interrupts a
    /// whole group.
    ///
    /// ```
    /// # use procession_process::Process;
    /// # procession_process::init();
    /// let process: Process<()> = Process::spawn(|()| loop { std::thread::park() }, ())?;
    /// let child = process.child();
    /// child.interrupt();
    /// assert_eq!(child.wait()?.signal(), Some(2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn interrupt(&self) {
        let _gone_or_refused = self.send(signal::SIGINT);
    }

    /// Sends it any signal, by number. Returns whether it was still there to get it.
    ///
    /// [`terminate`](Child::terminate), [`kill`](Child::kill) and [`interrupt`](Child::interrupt) do the same and ignore an error
    /// of the system.
    ///
    /// # Errors
    ///
    /// [`io::Error`]: there is no such signal; this process may not signal it, because one of them has changed its user; it is the
    /// child of a process that this one is a copy of.
    ///
    /// ```
    /// # use procession_process::Process;
    /// # procession_process::init();
    /// let process: Process<()> = Process::spawn(|()| loop { std::thread::park() }, ())?;
    /// let child = process.child();
    /// assert!(child.signal(12)?);
    /// assert_eq!(child.wait()?.signal(), Some(12), "SIGUSR2");
    /// assert!(!child.signal(12)?, "it has ended");
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[doc(alias = "send_signal")]
    pub fn signal(&self, number: i32) -> io::Result<bool> {
        self.send(number)
    }
}
