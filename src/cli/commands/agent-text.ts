import type { CommandContext } from '../command.ts';
import { type ExitCode, exitCodes } from '../exit-codes.ts';
import { fields, millisText, subjectText } from '../text.ts';
import type { Agent, AgentChanged } from '../wire.ts';

export function tell({ screen }: CommandContext, agent: Agent): ExitCode {
  screen.show(agent, linesOf);
  return exitCodes.done;
}

export function tellChanged({ screen }: CommandContext, changed: AgentChanged): ExitCode {
  screen.show(changed, ({ agent, bound }) => [...linesOf(agent), ...boundLines(bound)]);
  return exitCodes.done;
}

/** What kills that stand put for what was just learnt. */
export const boundLines = (bound: AgentChanged['bound']): readonly string[] =>
  bound.map(({ id, match }) => `bound by a kill that stands: ${id}  ${subjectText(match)}`);

const linesOf = (agent: Agent): readonly string[] =>
  fields({
    agent: agent.name,
    status: agent.status,
    description: agent.description,
    owner: agent.owner,
    'owner is': agent.owner_identifiers.map(subjectText).join('; '),
    identities: agent.identities.map(subjectText).join('; '),
    links: agent.links.map(subjectText).join('; '),
    parents: agent.parents.join(', '),
    children: agent.children.join(', '),
    protected: agent.protected ? 'yes' : undefined,
    revocations: `${agent.live_revocations} live`,
    since: millisText(agent.created_at_ms),
  });
