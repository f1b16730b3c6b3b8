'use strict';

const { version } = require('./native');
const { AgentFailed, ConvoyError } = require('./errors');
const { Engine, check, checkFormula } = require('./engine');
const { Run } = require('./run');

module.exports = { AgentFailed, ConvoyError, Engine, Run, check, checkFormula, version };
