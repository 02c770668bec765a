-- Ends attempts, each as ten arguments say. `how` is what becomes of the task; `due` is when it may be tried again, in microseconds from now, if it may.
local function finish(id, attempt, how, details, value, result, traceback, due, next_list, next_message)
  local t = leased(id, attempt)
  if not t then return 'stale' end
  if how == 'SUCCESS' then
    unreserve(t)
    change(t, 'SUCCESS', details, 'result', value)
    meta(t, 'SUCCESS', value, true)
    if next_message ~= '' then
      redis.call('LPUSH', next_list, next_message)
      tell('+')
    end
    return 'SUCCESS'
  elseif how == 'REVOKED' then
    unreserve(t)
    return revoke(t, '{}', 'terminated')
  elseif how == 'RELEASED' then
    return give_back(t, '{"reason":"released"}', 'released')
  end
  redis.call('HINCRBY', task(id), 'failures', 1)
  if how == 'RETRY' and (due ~= '' or t.cancel) then
    local moment = NOW + (tonumber(due) or 0)
    redis.call('HSET', task(id), 'due', int(moment))
    local eta = ',"eta":"' .. stamp(moment, 'Z') .. '"}'
    return give_back(t, string.sub(details, 1, -2) .. ',"reason":"retry"' .. eta, 'retry', moment)
  end
  return fail(t, details, value, result, traceback ~= '' and traceback or nil, how == 'RETRY')
end

local answers = { 'ok' }
for i = 3, #ARGV, 10 do
  -- One that cannot be ended does not keep the others from it.
  local done, answer = pcall(finish, unpack(ARGV, i, i + 9))
  answers[#answers + 1] = done and answer or 'broken'
end
return answers
