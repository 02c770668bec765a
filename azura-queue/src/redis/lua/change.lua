-- The only place where a state changes, with its event, the indexes, and other fields that change with it.
local function change(t, to, details, ...)
  local from, gone = t.state, {}
  t.state = to
  if t.newest then gone[1], t.newest = 'newest', nil end
  record(t, to, t.attempt, details)
  if terminal(to) then
    redis.call('HSET', task(t.id), 'state', to, 'seq', t.seq, 'finished', NOW_TEXT, ...)
    redis.call('HDEL', task(t.id), 'msg', 'tag', unpack(gone))
    if t.expires then redis.call('ZREM', EXPIRING, t.id) end
    if LOG_TTL > 0 then redis.call('EXPIRE', log(t.id), LOG_TTL) end
  else
    redis.call('HSET', task(t.id), 'state', to, 'seq', t.seq, ...)
    if gone[1] then redis.call('HDEL', task(t.id), gone[1]) end
  end
  redis.call('ZREM', in_state(from), t.id)
  redis.call('ZADD', in_state(to), t.created, t.id)
  if t.key and ((t.hold == 'queued' and to ~= 'PENDING') or (t.hold == 'running' and terminal(to)))
    and redis.call('GET', P .. 'key:' .. t.key) == t.id then
    redis.call('DEL', P .. 'key:' .. t.key)
  end
  tell(t.id)
end

-- Ends what a worker had of a task, but not the task.
local function unreserve(t)
  if t.tag then
    redis.call('ZREM', 'unacked_index', t.tag)
    redis.call('HDEL', 'unacked', t.tag)
  end
  redis.call('ZREM', running(t.queue), t.id)
end

local function revoke(t, details, why)
  change(t, 'REVOKED', details)
  meta(t, 'REVOKED', exception('TaskRevokedError', why), true)
  return 'REVOKED'
end

-- Takes a waiting task out of its queue. Tells whether it was there: a worker of Celery's takes a message and tells nobody.
local function withdraw(t)
  local there = redis.call('ZREM', scheduled(t.queue), t.id)
  local message = redis.call('HGET', task(t.id), 'msg')
  if message then there = there + redis.call('LREM', list(t.queue, t.priority), 1, message) end
  return there > 0
end

local function is_revoked(id)
  local till = redis.call('ZSCORE', REVOKED, id)
  return till and tonumber(till) > NOW
end

-- Back to the queue, unless somebody asked to cancel: then that is due now.
local function give_back(t, details, why, due)
  unreserve(t)
  if t.cancel then return revoke(t, '{}', 'terminated') end
  if is_revoked(t.id) then return revoke(t, '{}', 'revoked') end
  redis.call('HDEL', task(t.id), 'started', 'worker')
  if t.expires then redis.call('ZADD', EXPIRING, t.expires, t.id) end
  change(t, 'PENDING', details)
  meta(t, 'RETRY', exception('Retry', why))
  offer(t, due, true)
  return 'PENDING'
end

-- `error` is the failure as JSON; `result` what clients of Celery are to see.
local function fail(t, details, error, result, traceback, is_dead)
  unreserve(t)
  if is_dead then
    redis.call('HSET', task(t.id), 'dead', 1)
    redis.call('ZADD', dead(t.queue), t.created, t.id)
  end
  change(t, 'FAILURE', details, 'error', error)
  meta(t, 'FAILURE', result, true, traceback)
  return 'FAILURE'
end

-- Lets go what has waited for too long.
local function expire()
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', EXPIRING, 0, NOW, 'LIMIT', 0, 100)) do
    redis.call('ZREM', EXPIRING, id)
    local t = find(id)
    -- What a worker of Celery's has taken does not wait any more.
    if t and t.state == 'PENDING' and withdraw(t) then revoke(t, '{"reason":"expired"}', 'expired') end
  end
end

