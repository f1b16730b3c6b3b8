//! Artifacts: what an attempt leaves, what a task needs.

use super::handle::{Scheduler, Turn};
use super::input::InputArtifact;
use crate::event::TaskEvent;
use crate::state::{IllegalEvent, Stage};
use crate::types::{Artifact, ArtifactKind, Failure, FailureKind, MOST_ARTIFACTS, TaskIx, Timestamp};

impl Scheduler {
    /// Records what an attempt left, up to the limit of the convoy; gives why its work is not to be judged. Before
    /// the snapshot itself: when the log is cut in between, the tree is taken once more.
    pub(super) fn store_artifacts(
        &mut self,
        task: TaskIx,
        artifacts: Vec<Artifact>,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<Option<Failure>, IllegalEvent> {
        for artifact in artifacts {
            if !self.state.has_room_for_artifact(task, &artifact.name) {
                let artifact_name = artifact.name;
                let message = format!(
                    "artifact {artifact_name} cannot be kept: a convoy holds at most {MOST_ARTIFACTS} artifacts, and \
                     has as many; take `outputs` that nobody needs out of the convoy file"
                );
                self.emit_task(task, TaskEvent::ArtifactLimitReached { artifact_name }, now, turn)?;
                return Ok(Some(Failure::new(FailureKind::Artifact, message)));
            }
            self.emit_task(task, TaskEvent::ArtifactStored(artifact), now, turn)?;
        }
        Ok(None)
    }

    /// Lets a task fail without a try when an artifact that it needs will not come, since the task that would have
    /// left it is done; says whether it did.
    pub(super) fn lacks_input(
        &mut self,
        task: TaskIx,
        now: Timestamp,
        turn: &mut Turn,
    ) -> Result<bool, IllegalEvent> {
        if !matches!(self.state.task(task).stage, Stage::Pending { .. }) {
            return Ok(false);
        }
        let lacking = self.state.inputs(task).find(|(_, artifact)| artifact.is_none());
        let Some((input, _)) = lacking else { return Ok(false) };
        let (missing_artifact, from_task) = (input.name.clone(), input.from.clone());
        let message = format!(
            "task {from_task} is done and left no artifact {missing_artifact}; retry {from_task}, and this task with it"
        );
        self.emit_task(task, TaskEvent::WaitingInput { missing_artifact, from_task }, now, turn)?;
        self.exhausted(task, Failure::new(FailureKind::MissingInput, message), now, turn)?;
        Ok(true)
    }

    /// What the prompt of a task gets.
    pub(super) fn prompt_inputs(&self, task: TaskIx) -> Vec<InputArtifact> {
        let there = self.state.inputs(task).filter_map(|(input, artifact)| {
            Some(InputArtifact {
                as_: input.as_.clone(),
                from: input.from.clone(),
                name: input.name.clone(),
                oid: artifact?.oid.clone(),
            })
        });
        there.collect()
    }

    /// The files that the work was to leave at a path, and did not: what the agent said was taken instead.
    pub(super) fn missing_files(&self, task: TaskIx) -> Vec<String> {
        let taken = &self.state.task(task).taken;
        let is_missing = |name: &str| taken.iter().any(|artifact| artifact.no_file && artifact.name == name);
        let outputs = self.state.plan().spec_of(task).outputs.iter();
        let files = outputs.filter(|output| output.kind == ArtifactKind::File && is_missing(&output.name));
        files.filter_map(|output| output.path.clone()).collect()
    }
}
