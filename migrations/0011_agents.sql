-- What hit an agent is looked for when it is over, too.
DROP INDEX hub.revocations_agent;
CREATE INDEX revocations_agent ON hub.revocations (agent) WHERE agent IS NOT NULL;
