-- Asks to cancel a task. `channel` and `message` tell workers of Celery's to stop it.
local _, _, id, channel, message = unpack(ARGV, 1, 16)
local t = find(id)
if not t then return { 'missing' } end
if terminal(t.state) then return { 'ok', t.state } end
if t.state == 'PENDING' then
  if not withdraw(t) then
    -- A worker of Celery's has it, and may have said how it ended.
    local said = redis.call('GET', 'celery-task-meta-' .. id)
    if said and ended(said) then return { 'ended', said } end
    redis.call('PUBLISH', channel, message)
  end
  redis.call('HSET', task(id), 'cancel', 1)
  return { 'ok', revoke(t, '{}', 'revoked') }
end
redis.call('HSET', task(id), 'cancel', 1)
tell(id)
return { 'ok', t.state }
