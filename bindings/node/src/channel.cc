#include "channel.h"

#include <utility>

namespace convoy_node {

namespace {

// Ends a question that JavaScript will not answer any more. That nobody waits for it is as good.
void give_up(uint64_t id, Question question) {
    if (question == Question::execute) {
        static const char cancelled[] = "{\"outcome\":\"cancelled\"}";
        convoy_completion_resolve(id, cancelled, sizeof cancelled - 1, nullptr);
    } else {
        static const char ended[] = "the JavaScript environment of the host ended";
        convoy_completion_reject(id, ended, sizeof ended - 1, nullptr);
    }
}

}  // namespace

bool Channel::post(std::unique_ptr<Message> message) {
    // The lock is what keeps the function alive: it is released only after `close`.
    std::lock_guard<std::mutex> guard(lock_);
    if (closed_) {
        return false;
    }
    if (napi_call_threadsafe_function(function_, message.get(), napi_tsfn_nonblocking) != napi_ok) {
        return false;
    }
    message.release();
    return true;
}

void Channel::ask(uint32_t host, Question question, const char *request, size_t len, uint64_t id) {
    {
        std::lock_guard<std::mutex> guard(lock_);
        open_[id] = Open{question, false};
    }
    auto message = std::make_unique<Message>();
    message->kind = Message::Kind::ask;
    message->key = host;
    message->question = question;
    message->id = id;
    message->text.assign(request, len);
    // Closed: the engine ends, and its cancellation is answered.
    post(std::move(message));
}

void Channel::cancel(uint64_t id) {
    Question question;
    {
        std::lock_guard<std::mutex> guard(lock_);
        auto found = open_.find(id);
        if (found == open_.end()) {
            return;
        }
        found->second.cancelled = true;
        question = found->second.question;
    }
    auto message = std::make_unique<Message>();
    message->kind = Message::Kind::cancel;
    message->id = id;
    if (!post(std::move(message))) {
        answered(id);
        give_up(id, question);
    }
}

void Channel::answered(uint64_t id) {
    std::lock_guard<std::mutex> guard(lock_);
    open_.erase(id);
}

void Channel::close() {
    std::map<uint64_t, Open> open;
    {
        std::lock_guard<std::mutex> guard(lock_);
        if (closed_) {
            return;
        }
        closed_ = true;
        for (auto at = open_.begin(); at != open_.end();) {
            if (at->second.cancelled) {
                open.insert(*at);
                at = open_.erase(at);
            } else {
                ++at;
            }
        }
    }
    // The others are answered when the engine asks for their end: an answer before that would be taken for the agent's.
    for (const auto &[id, question] : open) {
        give_up(id, question.question);
    }
}

}  // namespace convoy_node
