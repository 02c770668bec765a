-- Asks to cancel a task. `channel` and `message` tell workers of Celery's to stop it.
local _, _, id, channel, message = unpack(ARGV, 1, 16)
local state = redis.call('HGET', task(id), 'state')
if not state then return { 'missing' } end
if terminal(state) then return { 'ok', state } end
if state == 'PENDING' then
  if not withdraw(id) then
    -- A worker of Celery's has it, and may have said how it ended.
    local said = redis.call('GET', 'celery-task-meta-' .. id)
    if said and ended(said) then return { 'ended', said } end
    redis.call('PUBLISH', channel, message)
  end
  redis.call('HSET', task(id), 'cancel', 1)
  return { 'ok', revoke(id, 'PENDING', '{}', 'revoked') }
end
redis.call('HSET', task(id), 'cancel', 1)
tell(id)
return { 'ok', state }
