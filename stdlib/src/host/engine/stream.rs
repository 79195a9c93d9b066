//! Answers that come as a stream, and do not outlast their host.

use bollard::errors::Error;
use futures_util::{
    Stream, StreamExt,
    stream::{BoxStream, unfold},
};

use super::{Engine, Result, Trouble};
use crate::host::pulse::Waiting;

impl Engine {
    /// The answers as they come; an error, such as the loss of the host, is the last.
    pub(super) fn streamed<T: Send + 'static>(
        &self,
        what: &str,
        answers: impl Stream<Item = std::result::Result<T, Error>> + Send + 'static,
    ) -> BoxStream<'static, Result<T>> {
        let answers = Answers {
            stream: answers.boxed(),
            engine: self.clone(),
            what: what.to_owned(),
            _waiting: self.pulse.wait(),
        };
        unfold(Some(answers), async |answers| {
            let mut answers = answers?;
            let answer = answers.next().await?;
            let more = answer.is_ok().then_some(answers);
            Some((answer, more))
        })
        .boxed()
    }
}

struct Answers<T> {
    stream: BoxStream<'static, std::result::Result<T, Error>>,
    engine: Engine,
    what: String,
    _waiting: Waiting,
}

impl<T> Answers<T> {
    async fn next(&mut self) -> Option<Result<T>> {
        let answer = tokio::select! {
            biased;
            answer = self.stream.next() => answer?,
            loss = self.engine.pulse.lost() => return Some(Err(self.engine.lost_question(&self.what, &loss))),
        };
        Some(match answer.map_err(Trouble::from) {
            Err(Trouble::Broken(why) | Trouble::NotConnected(why)) => Err(self.engine.broken(&self.what, why).await),
            answer => answer.map_err(|trouble| self.engine.refused(&self.what, trouble)),
        })
    }
}
