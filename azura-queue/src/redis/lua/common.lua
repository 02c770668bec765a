-- What every verb begins with. ARGV[1] is the prefix of our own keys, ARGV[2] how many seconds logs outlive their tasks (0: for ever).
-- Times are microseconds since 1970 by the clock of this server, and no other clock decides anything.
local P, LOG_TTL = ARGV[1], tonumber(ARGV[2])
local clock = redis.call('TIME')
local NOW = clock[1] * 1000000 + clock[2]
local NOW_TEXT = clock[1] .. string.format('%06d', clock[2])

-- Where things are. Lists of waiting messages, `unacked`, `unacked_index` and `celery-task-meta-*` are Celery's; all else is ours.
local function task(id) return P .. 'task:' .. id end
local function log(id) return P .. 'log:' .. id end
local function in_state(state) return P .. 'state:' .. state end
local function labelled(key, value) return P .. 'label:' .. #key .. ':' .. key .. '=' .. value end
local function scheduled(queue) return P .. 'scheduled:' .. queue end
local function running(queue) return P .. 'running:' .. queue end
local function dead(queue) return P .. 'dead:' .. queue end
local EXPIRING, QUEUES, PAUSED, NEWS = P .. 'expiring', P .. 'queues', P .. 'paused', P .. 'news'
-- Tasks that Celery's clients have revoked, by when that may be forgotten.
local REVOKED = P .. 'revoked'
local STEPS = { '', '\006\0223', '\006\0226', '\006\0229' }

local function list(queue, priority)
  return queue .. STEPS[math.floor(math.min(tonumber(priority), 9) / 3) + 1]
end

local function int(n) return string.format('%d', n) end

-- Wakes whoever waits for news of a task, or ('+') for one to claim. A '-' before the task says that it is deleted.
local function tell(what) redis.call('PUBLISH', NEWS, what) end

-- What is known of a task: read once, and kept true. Beside it the values read, those of `...` from the 15th on.
local function find(id, ...)
  local v = redis.call('HMGET', task(id), 'state', 'queue', 'attempt', 'seq', 'created', 'priority', 'expires', 'key', 'hold', 'cancel',
    'tag', 'newest', 'quiet', 'meta', ...)
  if not v[1] then return nil end
  return { id = id, state = v[1], queue = v[2], attempt = v[3], seq = v[4], created = v[5], priority = v[6], expires = v[7], key = v[8],
    hold = v[9], cancel = v[10], tag = v[11], newest = v[12], quiet = v[13], meta = v[14] }, v
end

-- Adds an event to the log. Whoever calls this writes down `seq`.
local function record(t, kind, attempt, details, at)
  t.seq = int((t.seq or 0) + 1)
  redis.call('XADD', log(t.id), t.seq .. '-0', 'k', kind, 'a', attempt, 'd', details, 't', at or NOW_TEXT)
end

local function terminal(state) return state == 'SUCCESS' or state == 'FAILURE' or state == 'REVOKED' end

-- Lets a waiting task be claimed when it is due; `first` puts it before the others.
local function offer(t, due, first, message)
  if due and tonumber(due) > NOW then
    redis.call('ZADD', scheduled(t.queue), due, t.id)
  else
    message = message or redis.call('HGET', task(t.id), 'msg')
    if not message then return end
    redis.call(first and 'RPUSH' or 'LPUSH', list(t.queue, t.priority), message)
  end
  tell('+')
end

-- The fence: a task whose lease still stands.
local function leased(id, attempt)
  local t = find(id)
  if t and t.state == 'STARTED' and t.attempt == attempt then return t end
end
